"""Options of `segment`, in groups that go different ways; loads nothing heavy."""

from __future__ import annotations

# ruff: noqa: RUF009 - `option` makes a field, as `dataclasses.field` does.
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
        "deep), or one .txt list.",
    )
    labels: str | None = option("--o", help="Label map, folder, or .txt list.")
    posteriors: str | None = option("--post", help="Probability maps: file, folder, or .txt list.")
    resampled: str | None = option(
        "--resample",
        help="Scans resampled to 1 mm: file, folder, or .txt list; those at 1 mm are not copied.",
    )
    volumes: str | None = option(
        "--vol", help="CSV file for the volumes in mm³ of all scans (or .txt list, one for each)."
    )
    quality: str | None = option(
        "--qc",
        help="CSV file for quality scores of all scans, 0 to 1 by group of structures (or .txt "
        "list, one for each).",
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
        help="--o, --post and --resample start from each scan's own folder; without --o label maps "
        "lie beside their scans.",
    )


@dataclass(frozen=True, kw_only=True)
class Modes:
    """How to segment each scan."""

    crop: str | None = option(
        "--crop",
        metavar="N | N N N | none",
        help="Segment only the central N voxels, rounded up to 32; none: all. "
        "[default: up to 192 around the head]",
    )
    fast: bool = option("--fast", is_flag=True, help="Twice as fast, a little less accurate.")
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
        help="The server started here segments with the official weights of $SYNTHSEG_MODELS, else "
        "$FREESURFER_HOME/models, not with its own model.",
    )
    autocrop: bool = option(
        "--autocrop", is_flag=True, help="Segment the part that is brighter than the background."
    )
    scored_size: int = option(
        "--qc-grid",
        metavar="N",
        type=int,
        default=DEFAULT_SCORED_SIZE,
        show_default=True,
        help="Edge in voxels of the cube that --qc scores.",
    )
    as_original: bool = option(
        "--as-original",
        is_flag=True,
        help="The original's numbers where it errs (parcels, quality, --keepgeom).",
    )
    ct: bool = option("--ct", is_flag=True, help="The scans are CT in Hounsfield units.")
    keep_geometry: bool = option(
        "--keepgeom",
        is_flag=True,
        help="Labels and probabilities on the scan's own grid instead of 1 mm.",
    )


@dataclass(frozen=True, kw_only=True)
class Course:
    """How to go through the scans, and what is written beside each label map."""

    jobs: int = option(
        "--jobs",
        type=click.IntRange(min=1),
        default=2,
        show_default=True,
        help="Scans in work at once.",
    )
    requests: int = option(
        "--requests",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Scans at the server at once.",
    )
    resume: bool = option(
        "--resume",
        is_flag=True,
        help="Skip scans whose results are complete, from the same scan, model and options.",
    )
    sidecar: bool = option(
        "--sidecar/--no-sidecar",
        default=True,
        show_default=True,
        help="JSON file beside each label map: model, options, timing.",
    )
    tables: bool = option(
        "--tables",
        is_flag=True,
        help="Label tables beside each label map: .tsv (BIDS), .ctab (FreeSurfer), .label.txt "
        "(ITK-SNAP), .ctbl (3D Slicer).",
    )


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What is told meanwhile."""

    as_json: bool = option(
        "--json", is_flag=True, help="One JSON object per scan on standard output."
    )
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Errors only.")
    verbose: bool = option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Times per step, and the log of the server started here.",
    )
