"""Scores as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from synthseg_common.files import write_text

from synthseg_trainer.evaluation.comparison import Scores
from synthseg_trainer.evaluation.overlap import mean_of_present
from synthseg_trainer.evaluation.pair_scores import DICE, SOFT_DICE
from synthseg_trainer.evaluation.paired_tests import PairedTest, paired_test
from synthseg_trainer.evaluation.surface import DISTANCES

WHOLE = "whole"
MEAN = "mean"
_TITLES = {
    DICE: "Dice",
    SOFT_DICE: "soft Dice",
    **dict(zip(DISTANCES, ("HD100", "HD99", "HD95", "mean surface distance"), strict=True)),
}


def write_wide_table(path: Path, scores: Scores, metric: str = DICE) -> None:
    """Writes one metric: a row per scan; a column per label value, the whole, and the mean.

    Cells without a score are empty: a label in neither map, a distance where one map lacks it.

    Raises:
        OutputError: The file cannot be written.
    """
    rows = [
        [scan, *values, mean]
        for scan, values, mean in zip(
            scores.scans, scores.values[metric], scores.means(metric), strict=True
        )
    ]
    write_rows(path, ["subject", *scores.labels.values, WHOLE, MEAN], rows)


def write_long_table(path: Path, scores: Scores, unit: str) -> None:
    """Writes everything: a row per scan and structure, a column per metric; the whole at last."""
    header = ["subject", "label", "structure", *(column_name(m, unit) for m in scores.values)]
    labels = [*zip(scores.labels.values, scores.labels.names, strict=True), ("", WHOLE)]
    rows = [
        [scan, *label, *(values[row, column] for values in scores.values.values())]
        for row, scan in enumerate(scores.scans)
        for column, label in enumerate(labels)
    ]
    write_rows(path, header, rows)


def write_comparison(path: Path, first: Scores, second: Scores, unit: str) -> None:
    """Writes paired tests of two sets of scores of the same scans and labels.

    One row per metric and structure, then the whole and the mean over the structures. P values are
    those of single tests, not corrected for their number.
    """
    header = ["metric", "label", "structure", "scans", "first_mean", "second_mean"]
    rows = [
        [column_name(metric, unit), *label, *_figures(test)]
        for metric in first.values
        for label, test in paired_tests(first, second, metric)
    ]
    write_rows(path, [*header, "wilcoxon_p", "cohens_d"], rows)


def paired_tests(
    first: Scores, second: Scores, metric: str
) -> list[tuple[tuple[int | str, str], PairedTest]]:
    """A test per structure, then of the whole and of the mean: label value, name, test.

    A method that misses a structure has no distance there, which its Dice of 0 says already: the
    mean distance of a scan is that of the structures which both methods found.
    """
    labels: list[tuple[int | str, str]] = [
        *zip(first.labels.values, first.labels.names, strict=True),
        ("", WHOLE),
        ("", MEAN),
    ]
    sets = first.values[metric], second.values[metric]
    if metric in DISTANCES:
        found = np.isfinite(sets[0]) & np.isfinite(sets[1])
        sets = np.where(found, sets[0], np.nan), np.where(found, sets[1], np.nan)
    columns = [
        np.column_stack([values, mean_of_present(values[:, first.structures].T)]).T
        for values in sets
    ]
    tests = map(paired_test, *columns)
    return list(zip(labels, tests, strict=True))


def column_name(metric: str, unit: str) -> str:
    """Name of a metric in tables and of its file, with its unit if it has one."""
    return f"{metric}_{unit}" if metric in DISTANCES else metric


def title(metric: str) -> str:
    """What people call a metric."""
    return _TITLES[metric]


def write_rows(path: Path, header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Writes a CSV; numbers with six digits, NaN as an empty cell.

    Raises:
        OutputError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows([_cell(value) for value in row] for row in rows)
    write_text(path, text.getvalue())


def _figures(test: PairedTest) -> list[object]:
    return [test.count, test.first_mean, test.second_mean, test.p_value, test.cohens_d]


def _cell(value: object) -> object:
    if isinstance(value, float):  # NumPy's float64 too
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
