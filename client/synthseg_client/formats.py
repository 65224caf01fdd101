"""File formats by name. Importing this loads nothing heavy."""

from __future__ import annotations

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


def format_of(path: Path) -> FileFormat | None:
    """The format that a file's name promises, or None."""
    name = path.name.lower()
    return next((f for f in FORMATS if name.endswith(f.suffix)), None)


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
