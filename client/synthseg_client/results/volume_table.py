"""Volumes table: soft volumes in mm³, in the original's CSV layout."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from synthseg_common.arrays import Float64Array
from synthseg_common.files import FileGroup, write_text

from synthseg_client.model import Model

TOTAL = "total intracranial"
"""First column where the labels cover all that lies within the skull."""
TSV = ".tsv"
"""Ending of tables that BIDS reads."""
_SUBJECT = "subject"


def column_names(model: Model, parcels: Sequence[str] = ()) -> list[str]:
    """Names of the table's columns, ascending label values without background.

    Args:
        model: Which segments.
        parcels: Names of the parcels of the cortex, which come last.
    """
    names = [*model.label_names[1:], *parcels]
    return [TOTAL, *names] if model.has_csf else names


def volumes_mm3(sums: Float64Array, voxel_mm3: float, model: Model) -> dict[str, float]:
    """Volumes by column name, rounded to three decimals.

    Args:
        sums: float64 `[label]`: summed probabilities in voxels.
        voxel_mm3: Volume of a voxel.
        model: Whose labels they are.
    """
    structures = structure_volumes(sums, voxel_mm3)
    values = [total_of(structures), *structures] if model.has_csf else list(structures)
    return rounded_mm3(column_names(model), values)


def structure_volumes(sums: Float64Array, voxel_mm3: float) -> Float64Array:
    """float64 `[label - 1]`, mm³: of every structure, without background."""
    return np.asarray(sums, np.float64)[1:] * voxel_mm3


def total_of(structures: Float64Array) -> float:
    """Volume of all that lies within the skull, in mm³."""
    return float(structures.sum())


def rounded_mm3(names: Iterable[str], values: Iterable[float]) -> dict[str, float]:
    """Volumes by column name, rounded to three decimals."""
    return {n: float(np.around(v, 3)) for n, v in zip(names, values, strict=True)}


def as_volume(mm3: float) -> str:
    """A volume as the original writes it."""
    return str(float(mm3))


def as_score(score: float) -> str:
    """A quality score as the original writes it."""
    return f"{score:.4f}"


def row_name(scan: Path) -> str:
    """A scan's name in the table: without `.nii.gz`, any other ending kept, as in the original."""
    return scan.name.replace(".nii.gz", "")


def write_table(
    path: Path,
    columns: Iterable[str],
    rows: Iterable[tuple[str, Mapping[str, float]]],
    written: Callable[[float], str] = as_volume,
) -> None:
    """Writes one table for many scans.

    Args:
        path: CSV file; replaced as a whole.
        columns: Names of the columns.
        rows: Name of the scan and its numbers.
        written: How a number is written.

    Raises:
        OutputError: It cannot be written.
    """
    write_text(path, _table([_SUBJECT, *columns], rows, written))


def write_single_table(
    path: Path,
    row: tuple[str, Mapping[str, float]],
    group: FileGroup | None = None,
    written: Callable[[float], str] = as_volume,
) -> None:
    """Writes the table of one scan of a list: as the original, with an empty first cell.

    Under a name that ends in `.tsv` it is a table as BIDS has them, of names and values.
    """
    if path.suffix.lower() == TSV:
        lines = [f"{name}\t{written(value)}\n" for name, value in row[1].items()]
        write_text(path, "name\tvalue\n" + "".join(lines), group)
        return
    write_text(path, _table(["", *row[1]], [row], written), group)


def _table(
    header: Sequence[str],
    rows: Iterable[tuple[str, Mapping[str, float]]],
    written: Callable[[float], str],
) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for name, values in rows:
        writer.writerow([name, *(written(values[column]) for column in header[1:])])
    return text.getvalue()
