"""File formats by name. Importing this loads nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileFormat:
    """A kind of file.

    Attributes:
        name: Short name.
        suffix: Ending of its files.
        result_suffix: Ending of results that belong to a scan of this kind.
    """

    name: str
    suffix: str
    result_suffix: str


FORMATS = (
    FileFormat("nifti", ".nii.gz", ".nii.gz"),
    FileFormat("nifti", ".nii", ".nii"),
    FileFormat("mgh", ".mgz", ".mgz"),
    FileFormat("mgh", ".mgh", ".mgh"),
    FileFormat("npz", ".npz", ".npz"),
    # Analyze cannot say how a head lies, so results of such scans are NIfTI.
    FileFormat("analyze", ".img", ".nii.gz"),
    FileFormat("analyze", ".hdr", ".nii.gz"),
    FileFormat("analyze", ".img.gz", ".nii.gz"),
)
WRITABLE = tuple(f.suffix for f in FORMATS if f.suffix == f.result_suffix)
"""Endings that a result may have."""
OTHER_ENDINGS = (
    # Images that are not written, and what comes of them when they are packed.
    *(".img", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd", ".raw", ".mnc", ".mif", ".mih", ".head"),
    *(".brik", ".par", ".rec", ".dcm", ".dicom", ".ima", ".gipl", ".vtk", ".vti", ".h5", ".hdf5"),
    *(".npy", ".mat", ".zarr", ".gii", ".gifti", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp"),
    *(".gif", ".pic", ".lsm", ".v", ".am", ".img.gz", ".mnc2", ".pkl", ".pt", ".stl", ".obj"),
    *(".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".z", ".zip", ".7z", ".rar", ".tar", ".tgz"),
    # Tables and texts.
    *(".csv", ".tsv", ".txt", ".json", ".xls", ".xlsx", ".ods", ".parquet", ".pdf", ".log"),
)
"""Endings that promise a file of a kind that no result has."""
_LIKE_NIFTI = re.compile(r"\.(nii|mgz|mgh|npz)[^/]*$")


def format_of(path: Path) -> FileFormat | None:
    """The format that a file's name promises, or None."""
    name = path.name.lower()
    return next((f for f in FORMATS if name.endswith(f.suffix)), None)


def other_ending(path: Path) -> str | None:
    """The ending that promises a file which no result is: `.nrrd`, `.nii.bz2`, `.nii-gz`, or None.

    An ending that is not known may be part of a folder's name.
    """
    kind, name = format_of(path), path.name.lower()
    if kind is not None and kind.suffix in WRITABLE:
        return None
    if near := _LIKE_NIFTI.search(name):
        return near[0]
    return max((e for e in OTHER_ENDINGS if name.endswith(e)), key=len, default=None)


def is_scan_name(path: Path) -> bool:
    """Whether a file in a folder is listed as a scan; of Analyze pairs only the image is."""
    kind = format_of(path)
    return kind is not None and kind.suffix != ".hdr" and not path.name.startswith(".")


def stem_of(path: Path) -> str:
    """File name without its format's ending."""
    kind = format_of(path)
    return path.name[: -len(kind.suffix)] if kind else path.name


def parts_of(path: Path) -> list[Path]:
    """The files that make up a scan: one, or header, voxels and SPM's matrix of an Analyze pair."""
    kind = format_of(path)
    if kind is None or kind.name != "analyze":
        return [path]
    ends = (".img", ".hdr", ".mat", ".img.gz", ".hdr.gz", ".mat.gz")
    # nibabel takes a part in capitals for one of a name in capitals.
    names = {path.name, *(stem_of(path) + e for end in ends for e in (end, end.upper()))}
    return sorted(part for part in map(path.with_name, names) if part.exists())
