"""Options of `segment`, in groups that go different ways; loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from synthseg_common.contract import DEFAULT_SCORED_SIZE
from synthseg_common.option_groups import option


@dataclass(frozen=True, kw_only=True)
class Places:
    """Which scans, and where their results go."""

    scans: tuple[str, ...] = option(
        "--i",
        required=True,
        multiple=True,
        metavar="SCAN...",
        help="Scans: files, a folder, a pattern in quotes ('data/**/*_T1w.nii.gz', any folders "
        "deep), or one .txt list; DICOM as a folder, a zip or one file.",
    )
    labels: str | None = option("--o", help="Label maps: file, folder, or .txt list.")
    posteriors: str | None = option("--post", help="Probability maps: file, folder, or .txt list.")
    resampled: str | None = option(
        "--resample",
        help="Scans resampled to 1 mm: file, folder, or .txt list; those at 1 mm are not copied.",
    )
    volumes: str | None = option(
        "--vol",
        help="CSV file for the volumes of all scans, in mm³; or a .txt list with one CSV file per "
        "scan.",
    )
    quality: str | None = option(
        "--qc",
        help="CSV file for the quality scores of all scans, from 0 to 1 for each group of "
        "structures; or a .txt list with one CSV file per scan.",
    )
    series: str | None = option(
        "--series",
        metavar="NUMBER | UID | all",
        help="Series of DICOM folders and zips to segment. [default: the anatomical one with most "
        "slices of each study]",
    )
    dicom_seg: str | None = option(
        "--dicom-seg", help="DICOM Segmentation of a DICOM scan: .dcm file, or folder."
    )
    dicom_sr: str | None = option(
        "--dicom-sr", help="DICOM report (TID 1500) of its volumes, beside --dicom-seg."
    )
    report: Path | None = option(
        "--report",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder for pages to look at, one per scan and one for the run.",
    )
    beside_scans: bool = option(
        "--beside-scans",
        is_flag=True,
        help="Read --o, --post and --resample relative to each scan's own folder; without --o, "
        "each label map is written beside its scan.",
    )


@dataclass(frozen=True, kw_only=True)
class Modes:
    """How to segment each scan."""

    crop: str | None = option(
        "--crop",
        metavar="N | N N N | none",
        help="Segment only the central N voxels, rounded up to a multiple of 32; none: the whole "
        "scan. [default: up to 192 around the head]",
    )
    fast: bool = option(
        "--fast",
        is_flag=True,
        help="Faster, a little less accurate: without a second, mirrored pass, and, where a server "
        "is started here, by the small one of this package's own models.",
    )
    robust: bool = option(
        "--robust",
        is_flag=True,
        help="SynthSeg-robust 2.0, for clinical scans of any quality; needs the official weights.",
    )
    parcels: bool = option(
        "--parc",
        is_flag=True,
        help="Divide the cortex into 68 parcels; needs the official weights.",
    )
    v1: bool = option(
        "--v1", is_flag=True, help="SynthSeg 1.0 instead of 2.0; needs the official weights."
    )
    official: bool = option(
        "--official",
        is_flag=True,
        help="Segment with the official weights (in $SYNTHSEG_MODELS, else in "
        "$FREESURFER_HOME/models) instead of this package's own model; for a server that is "
        "started here.",
    )
    autocrop: bool = option(
        "--autocrop",
        is_flag=True,
        help="Segment only the part of the scan that is brighter than the background.",
    )
    scored_size: int = option(
        "--qc-grid",
        metavar="N",
        type=int,
        default=DEFAULT_SCORED_SIZE,
        show_default=True,
        help="Edge of the cube that --qc scores, in voxels.",
    )
    as_original: bool = option(
        "--as-original",
        is_flag=True,
        help="Reproduce the original's results even where they are wrong (parcels, quality, "
        "--keepgeom).",
    )
    ct: bool = option("--ct", is_flag=True, help="The scans are CT in Hounsfield units.")
    keep_geometry: bool = option(
        "--keepgeom",
        is_flag=True,
        help="Write labels and probabilities on the scan's own grid instead of at 1 mm.",
    )


@dataclass(frozen=True, kw_only=True)
class Course:
    """How to go through the scans, and what is written beside each label map."""

    jobs: int = option(
        "--jobs",
        type=click.IntRange(min=1),
        default=2,
        show_default=True,
        help="How many scans to process at the same time.",
    )
    requests: int = option(
        "--requests",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="How many scans to send to the server at the same time.",
    )
    resume: bool = option(
        "--resume",
        is_flag=True,
        help="Skip scans whose results are complete and were made from the same scan with the "
        "same model and options.",
    )
    sidecar: bool = option(
        "--sidecar/--no-sidecar",
        default=True,
        show_default=True,
        help="Write a JSON file beside each label map: model, options, timing.",
    )
    shard: str | None = option(
        "--shard",
        metavar="K/N",
        help="Work on part K of N alone, counted from 1; job/N: the part of a pod of a Kubernetes "
        "Indexed Job. A scan's part follows from its own path. Tables are named after the part; "
        "merge makes one of all.",
    )
    dask: str | None = option(
        "--dask",
        metavar="ADDRESS",
        help="Work on the processes of this Dask scheduler, tcp://HOST:PORT, which see the same "
        "files and the server.",
    )
    tables: bool = option(
        "--tables",
        is_flag=True,
        help="Write label tables beside each label map: .tsv (BIDS), .ctab (FreeSurfer), "
        ".label.txt (ITK-SNAP) and .ctbl (3D Slicer), and put names and colours into NIfTI label "
        "maps (FreeSurfer).",
    )


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What is told meanwhile."""

    as_json: bool = option(
        "--json", is_flag=True, help="Print one JSON object per scan on standard output."
    )
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Print errors only.")
    verbose: bool = option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Print the time of each step, and the log of a server that is started here.",
    )
    metrics_file: Path | None = option(
        "--metrics-file",
        type=click.Path(path_type=Path),
        metavar="FILE.prom",
        help="Write Prometheus metrics of the run to this file, for node exporter's folder of text "
        "files; needs the extra `telemetry`.",
    )
    otlp: bool = option(
        "--otlp",
        is_flag=True,
        envvar="SYNTHSEG_OTLP",
        show_envvar=True,
        help="Send traces and metrics to the OpenTelemetry collector that its own environment "
        "variables name; needs the extra `telemetry`.",
    )
