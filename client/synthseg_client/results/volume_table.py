"""Volumes table: soft volumes in mm³, in the original's CSV layout."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from synthseg_common.arrays import Float64Array
from synthseg_common.files import FileGroup, write_text

from synthseg_client.model import Model

TOTAL = "total intracranial"
"""First column where the labels cover all that lies within the skull."""
_SUBJECT = "subject"


def column_names(model: Model) -> list[str]:
    """Names of the table's columns, ascending label values without background."""
    names = list(model.label_names[1:])
    return [TOTAL, *names] if model.has_csf else names


def volumes_mm3(sums: Float64Array, voxel_mm3: float, model: Model) -> dict[str, float]:
    """Volumes by column name, rounded to three decimals.

    Args:
        sums: float64 `[label]`: summed probabilities in voxels.
        voxel_mm3: Volume of a voxel.
        model: Whose labels they are.
    """
    structures = np.asarray(sums, np.float64)[1:] * voxel_mm3
    values = [structures.sum(), *structures] if model.has_csf else list(structures)
    return {n: float(np.around(v, 3)) for n, v in zip(column_names(model), values, strict=True)}


def row_name(scan: Path) -> str:
    """A scan's name in the table: without `.nii.gz`, any other ending kept, as in the original."""
    return scan.name.replace(".nii.gz", "")


def write_table(
    path: Path, columns: Iterable[str], rows: Iterable[tuple[str, Mapping[str, float]]]
) -> None:
    """Writes one table for many scans.

    Args:
        path: CSV file; replaced as a whole.
        columns: Names of the columns.
        rows: Name of the scan and its volumes.

    Raises:
        OutputError: It cannot be written.
    """
    _write(path, [_SUBJECT, *columns], rows)


def write_single_table(
    path: Path,
    columns: Iterable[str],
    name: str,
    volumes: Mapping[str, float],
    group: FileGroup | None = None,
) -> None:
    """Writes the table of one scan of a list: as the original, with an empty first cell."""
    _write(path, ["", *columns], [(name, volumes)], group)


def _write(
    path: Path,
    header: list[str],
    rows: Iterable[tuple[str, Mapping[str, float]]],
    group: FileGroup | None = None,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for name, volumes in rows:
        writer.writerow([name, *(str(float(volumes[column])) for column in header[1:])])
    write_text(path, text.getvalue(), group)
