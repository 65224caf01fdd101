"""Figures of scores. Importing this module does not import matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from synthseg_common.arrays import FloatArray
from synthseg_generator.pictures.figures import save_figure

from synthseg_trainer.evaluation.comparison import Scores
from synthseg_trainer.evaluation.score_tables import MEAN, WHOLE, title
from synthseg_trainer.evaluation.surface import DISTANCES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 110
_INCHES_PER_GROUP = 0.32
_ROW_INCHES = 3.4
_COLOURS = ("#3b6ea8", "#d1783c")
# With room for scores of 0 and 1: a structure that is never found is to be seen.
_DICE_RANGE = (-0.02, 1.02)
_LEFT, _RIGHT = "left ", "right "


def draw_box_plot(path: Path, sets: Mapping[str, Scores], unit: str) -> None:
    """Draws the spread of every metric over the scans, per structure.

    Args:
        path: PNG, PDF or SVG.
        sets: One or two sets of scores of the same labels, by what to call them.
        unit: Of the distances.

    Raises:
        OutputError: The file cannot be written.
    """
    first = next(iter(sets.values()))
    names = [*first.labels.names, WHOLE, MEAN]
    metrics = list(first.values)
    width = max(8.0, 1.5 + _INCHES_PER_GROUP * len(names) * (0.6 + 0.4 * len(sets)))
    figure, axes = _figure(len(metrics), width, len(metrics) * _ROW_INCHES + 1.2)
    for axis, metric in zip(axes, metrics, strict=True):
        for index, scores in enumerate(sets.values()):
            _boxes(axis, scores, metric, index, len(sets))
        axis.set_ylabel(f"{title(metric)} ({unit})" if metric in DISTANCES else title(metric))
        axis.set_xticks(range(len(names)), [])
        axis.set_xlim(-0.7, len(names) - 0.3)
        axis.set_ylim(*((0, None) if metric in DISTANCES else _DICE_RANGE))
        axis.grid(axis="y", alpha=0.3)
    axes[-1].set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    if len(sets) > 1:
        _legend(figure, list(sets))
    save_figure(figure, path)


def draw_curves(
    path: Path, steps: Sequence[int], scores: FloatArray, names: Sequence[str], best: int
) -> None:
    """Draws Dice against training steps: the mean, and each structure, both sides together.

    Args:
        path: PNG, PDF or SVG.
        steps: Steps of the checkpoints, ascending.
        scores: float64 `[checkpoint, scan, structure]`, NaN where there is no score.
        names: Of the structures.
        best: Index of the best checkpoint.

    Raises:
        OutputError: The file cannot be written.
    """
    figure, (left, right) = _figure(1, 13.0, 5.2, columns=2)
    marker = "o" if len(steps) < 60 else None
    per_scan = _mean(scores, axis=2)
    # Marks, for a line of one checkpoint is none.
    left.plot(steps, per_scan, color="0.75", linewidth=0.8, marker=marker, markersize=2)
    left.plot(steps, _mean(per_scan, axis=1), color=_COLOURS[0], linewidth=2, marker=marker)
    left.axvline(steps[best], color=_COLOURS[1], linestyle="--", linewidth=1)
    left.set_title(f"mean over the structures; grey: each scan; best: step {steps[best]}")
    for name, line, (colour, dash) in _curves(_mean(scores, axis=1), names):
        right.plot(
            steps,
            line,
            linewidth=1.2,
            label=name,
            marker=marker,
            markersize=3,
            color=colour,
            linestyle=dash,
        )
    right.set_title("structures, left and right together, mean over the scans")
    right.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for axis in (left, right):
        axis.set_xlabel("step")
        axis.set_ylabel("Dice")
        axis.set_ylim(*_DICE_RANGE)
        axis.grid(alpha=0.3)
    save_figure(figure, path)


def _figure(rows: int, width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _boxes(axis: Axes, scores: Scores, metric: str, index: int, count: int) -> None:
    columns = np.column_stack([scores.values[metric], scores.means(metric)]).T
    present = [column[np.isfinite(column)] for column in columns]
    width = 0.7 / count
    offset = (index - (count - 1) / 2) * width
    places = [place + offset for place, column in enumerate(present) if len(column)]
    if not places:  # a set may have no distances at all
        return
    drawn = axis.boxplot(
        [column for column in present if len(column)],
        positions=places,
        widths=width * 0.85,
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": "black"},
        showfliers=False,
    )
    for box in drawn["boxes"]:
        box.set_facecolor(_COLOURS[index])
        box.set_alpha(0.5)
    # Every scan as a point: a box of three scans says little.
    for place, column in zip(places, (c for c in present if len(c)), strict=True):
        axis.plot(np.full(len(column), place), column, ".", color=_COLOURS[index], markersize=3)


def _legend(figure: Figure, names: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=c, edgecolor="black", label=n) for n, c in zip(names, _COLOURS, strict=True)
    ]
    figure.legend(handles=patches, loc="outside upper right", fontsize=8, frameon=False)


def _curves(
    scores: FloatArray, names: Sequence[str]
) -> list[tuple[str, FloatArray, tuple[str, str]]]:
    """One line per structure, of both sides: name, float64 `[checkpoint]`, colour and dash."""
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(name.removeprefix(_LEFT).removeprefix(_RIGHT), []).append(index)
    dashes = ("-", "--", ":")
    return [
        (
            name,
            _mean(scores[:, members], axis=1),
            (f"C{number % 10}", dashes[number // 10 % len(dashes)]),
        )
        for number, (name, members) in enumerate(groups.items())
    ]


def _mean(scores: FloatArray, axis: int) -> FloatArray:
    """Mean of what is there along an axis; NaN for none."""
    present = np.isfinite(scores)
    counts = present.sum(axis=axis)
    sums = np.where(present, scores, 0.0).sum(axis=axis)
    means = np.full(counts.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
