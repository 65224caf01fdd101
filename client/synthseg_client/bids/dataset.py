"""The files that make a folder of derivatives a BIDS dataset, and that tell of the one it is of."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthseg_common.files import write_text

from synthseg_client import __version__
from synthseg_client.batch.tasks import SOFTWARE
from synthseg_client.bids.facts import RAW
from synthseg_client.errors import UsageError
from synthseg_client.inputs.places import is_folder, is_there, real

DESCRIPTION = "dataset_description.json"
BIDS_VERSION = "1.10.0"
_PAPERS = (
    "https://doi.org/10.1016/j.media.2023.102789",
    "https://doi.org/10.1073/pnas.2216399120",
)
# What BIDS has no name for: tables of all scans and of one, FreeSurfer's colour tables, reports.
_IGNORED = (
    "/synthseg_*",
    "sub-*/**/*_volumes.tsv",
    "sub-*/**/*_quality.tsv",
    "*_dseg.ctab",
    "*_dseg.ctbl",
    "*_dseg.label.txt",
    "*.html",
    "figures/",
    "reports/",
)
_README = """# SynthSeg derivatives

Segmentations of brain scans by synthseg-client. `space-orig_seg-synthseg_dseg` lies on a scan's own
grid, `..._res-1mm_dseg` at 1 mm along the scan's own axes. Of a scan that is no T1w, `desc` names
the contrast. `synthseg-client bids ... group` writes the volumes of all scans: `phenotype/` has a
table for each kind of scan, `synthseg_volumes.tsv` holds them all.
"""


def read_description(root: Path) -> Mapping[str, Any]:
    """What a dataset says of itself.

    Raises:
        UsageError: There is no dataset, or it says nothing that can be read.
    """
    if not is_folder(root):
        raise UsageError(f"{root}: no such folder, expected that of a BIDS dataset.")
    path = root / DESCRIPTION
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: is missing, which every BIDS dataset has: is {root} its top folder? "
            "--skip-bids-validation goes on without."
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path}: cannot be read, is no JSON: {error}.") from error
    if not isinstance(told, dict) or not {"Name", "BIDSVersion"} <= told.keys():
        raise UsageError(
            f"{path}: lacks Name or BIDSVersion, which BIDS requires; --skip-bids-validation goes "
            "on without."
        )
    return told


def refuse_other_folder(root: Path, out: Path) -> None:
    """Refuses a folder for derivatives that is the dataset's, or another pipeline's.

    Raises:
        UsageError: It is.
    """
    place, dataset = real(out), real(root)
    inside = place.relative_to(dataset).parts if place.is_relative_to(dataset) else None
    if inside is not None and (not inside or inside[0].startswith("sub-")):
        raise UsageError(
            f"{out}: is a place of the dataset's own scans: choose a folder elsewhere, or "
            f"{root / 'derivatives/synthseg'}."
        )
    path = out / DESCRIPTION
    if is_there(path) and not _is_ours(path):
        raise UsageError(
            f"{path}: is that of another pipeline or dataset: choose a folder of its own, "
            f"as {out / 'synthseg'}."
        )


def write_dataset(root: Path, out: Path, told: Mapping[str, Any]) -> None:
    """Writes what makes a folder of derivatives a dataset, where it is not there as it should be.

    Args:
        root: The dataset that the derivatives are of.
        out: Their folder.
        told: What that dataset says of itself.

    Raises:
        OutputError: A file cannot be written.
    """
    description = describe(root, out, told)
    ignored = "".join(f"{pattern}\n" for pattern in _IGNORED)
    files = {
        DESCRIPTION: json.dumps(description, indent=2) + "\n",
        ".bidsignore": ignored,
        "README.md": _README,
    }
    for name, text in files.items():
        path = out / name
        if not is_there(path) or (name == DESCRIPTION and path.read_text("utf-8") != text):
            write_text(path, text)


def drop_empty_folders(out: Path) -> None:
    """Removes folders of participants of whom nothing came, which BIDS counts as participants."""
    folders = [path for path in out.glob("sub-*/**") if is_folder(path)]
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):  # those that hold something
            folder.rmdir()


def describe(root: Path, out: Path, told: Mapping[str, Any]) -> dict[str, object]:
    """The description of the derivatives."""
    source = {"URL": _way_to(root, out)}
    if doi := told.get("DatasetDOI"):
        source["DOI"] = str(doi)
    return {
        "Name": f"SynthSeg: {told.get('Name', 'segmented scans')}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": SOFTWARE,
                "Version": __version__,
                "Description": "SynthSeg: segmentation of brain scans of any contrast.",
            }
        ],
        "SourceDatasets": [source],
        "DatasetLinks": {RAW: _way_to(root, out)},
        "ReferencesAndLinks": list(_PAPERS),
    }


def _way_to(root: Path, out: Path) -> str:
    """Where the dataset is: a relative way from within it, which moves along, else an address."""
    if real(out).is_relative_to(real(root)):
        return Path(os.path.relpath(real(root), real(out))).as_posix()
    return real(root).as_uri()


def _is_ours(path: Path) -> bool:
    try:
        makers = json.loads(path.read_bytes())["GeneratedBy"]
        return any(maker["Name"] == SOFTWARE for maker in makers)
    except (OSError, ValueError, LookupError, TypeError):
        return False
