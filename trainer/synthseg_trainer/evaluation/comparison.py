"""Segmentations of scans against other segmentations of the same scans, as files."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.labels import BACKGROUND

from synthseg_trainer.errors import TrainerError
from synthseg_trainer.evaluation.label_lists import LabelList, structure_name
from synthseg_trainer.evaluation.overlap import (
    ORIGINAL_EPSILON,
    dice_of_masks,
    dice_scores,
    mean_of_present,
)
from synthseg_trainer.evaluation.surface import DISTANCES, original_distances, surface_distances
from synthseg_trainer.evaluation.volumes import Volume, label_on_grid, opened, read_labels

DICE = "dice"
SOFT_DICE = "soft_dice"
_ORIGINAL_MARGIN = 10


class ComparisonError(TrainerError, ValueError):
    """Label maps have nothing in common, or probabilities do not fit the labels."""


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What is scored, and how.

    Attributes:
        labels: Labels in the order of the tables; `None` for those that occur in both sets, but not
            background.
        merge_parcels: Read FreeSurfer's cortical parcels (1xxx, 2xxx) as cortex (3, 42).
        distances: Measure surface distances too.
        voxels: In voxels rather than mm.
        as_original: Reproduce the original's numbers: see `surface.original_distances`; a label of
            `labels` in neither map scores 0; what the answer holds more than 10 voxels outside of
            the truth is not looked at.
    """

    labels: LabelList | None = None
    merge_parcels: bool = False
    distances: bool = False
    voxels: bool = False
    as_original: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured on label maps."""
        return (DICE, *DISTANCES) if self.distances else (DICE,)

    @property
    def unit(self) -> str:
        """Unit of the distances."""
        return "voxels" if self.voxels or self.as_original else "mm"


@dataclass(frozen=True)
class Scores:
    """Scores of a set of scans.

    Attributes:
        scans: Names, one per row.
        labels: Structures, one per column.
        values: By metric float64 `[scan, label + 1]`; the last column is the whole structure,
            everything that is not background. NaN where there is no score.
        left_out: Labels that occur in one of the sets alone and are not scored: in the truth, in
            the answers.
    """

    scans: tuple[str, ...]
    labels: LabelList
    values: Mapping[str, np.ndarray]
    left_out: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    @property
    def structures(self) -> list[int]:
        """Columns of the labels that are structures; background is none."""
        return [i for i, label in enumerate(self.labels.values) if label != BACKGROUND]

    def means(self, metric: str = DICE) -> np.ndarray:
        """float64 `[scan]`: mean over the structures that have a score."""
        return mean_of_present(self.values[metric][:, self.structures].T)


@dataclass(frozen=True)
class _PairScores:
    """Scores of one scan: by label one value per metric, the whole structure under `None`."""

    values: dict[int | None, np.ndarray]
    in_truth: frozenset[int]
    in_answer: frozenset[int]


def compare(
    pairs: Mapping[str, tuple[Path, ...]],
    scoring: Scoring,
    *,
    jobs: int = 1,
    report: Callable[[str], None] = lambda name: None,
) -> Scores:
    """Scores label maps.

    Args:
        pairs: By scan the true label map and the answered one, see `match_files`. Grids may differ:
            the truth is looked up at the answer's voxels.
        scoring: What to measure.
        jobs: Processes that share the scans.
        report: Called with a scan's name when it is scored.

    Raises:
        VolumeError: A file cannot be read.
        ComparisonError: The two sets share no label.
    """
    found = []
    score = functools.partial(_score_pair, scoring=scoring)
    for name, scores in zip(pairs, _each(score, list(pairs.values()), jobs), strict=True):
        found.append(scores)
        report(name)
    left_out: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    if scoring.labels is not None:
        labels = scoring.labels
    else:
        labels, left_out = _shared_labels(found, next(iter(pairs.values())))
    rows = [_row(scores, labels, scoring) for scores in found]
    values = {
        metric: np.array([row[:, column] for row in rows])
        for column, metric in enumerate(scoring.metrics)
    }
    return Scores(tuple(pairs), labels, values, left_out)


def compare_probabilities(
    pairs: Mapping[str, tuple[Path, ...]],
    labels: LabelList,
    channels: LabelList | None = None,
    *,
    merge_parcels: bool = False,
) -> np.ndarray:
    """Soft Dice of probability maps.

    Args:
        pairs: By scan the true label map and the file of probabilities, `[x, y, z, channel]`.
        labels: Which to score.
        channels: What the channels are, the first of which may be background and not in the list;
            by default the labels of the released model that has as many.
        merge_parcels: Read FreeSurfer's cortical parcels as cortex in the truth.

    Returns:
        float64 `[scan, label + 1]`; NaN for labels that have no channel; the last column is
        everything that is not background.

    Raises:
        VolumeError: A file cannot be read.
        ComparisonError: The channels are not the labels'.
    """
    rows = []
    for truth, probabilities in pairs.values():
        expected = read_labels(truth, merge_parcels=merge_parcels)
        with opened(probabilities) as image:
            known = _labels_of_channels(image.shape, channels, probabilities)
            by_label = _soft_scores(expected, image, known)
        nothing = float("nan")
        rows.append([by_label.get(label, nothing) for label in (*labels.values, None)])
    return np.array(rows)


def _labels_of_channels(
    shape: tuple[int, ...], channels: LabelList | None, path: Path
) -> tuple[int, ...]:
    """Label value of each channel."""
    count = shape[3] if len(shape) == 4 else 0
    tables = [t.segmentation_labels().values for t in LABEL_TABLES.values()]
    if channels is not None:
        tables = [channels.values, (BACKGROUND, *channels.values)]
    for table in tables:
        if len(table) == count:
            return table
    expected = " or ".join(str(len(table)) for table in tables)
    raise ComparisonError(
        f"{path} has shape {shape}, expected x, y, z and {expected} channels: "
        "name the labels of all channels with --labels."
    )


def _soft_scores(expected: Volume, image: Any, labels: tuple[int, ...]) -> dict[int | None, float]:
    shape = image.shape[:3]
    truth = label_on_grid(expected, shape, np.asarray(image.affine))
    foreground = np.zeros(shape, np.float32)
    scores: dict[int | None, float] = {}
    for index, label in enumerate(labels):
        channel = np.asarray(image.dataobj[..., index], np.float32)
        scores[label] = dice_of_masks(truth == label, channel)
        if label != BACKGROUND:
            foreground += channel
    scores[None] = dice_of_masks(truth != BACKGROUND, foreground)
    return scores


def _each(
    score: Callable[[tuple[Path, ...]], _PairScores], files: list[tuple[Path, ...]], jobs: int
) -> Iterable[_PairScores]:
    if jobs == 1 or len(files) == 1:
        yield from map(score, files)
        return
    # Not forked: a process with threads of its own may hang in the copy.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(files)), mp_context=context) as pool:
        try:
            yield from pool.map(score, files)
        except BrokenProcessPool as error:
            raise TrainerError(
                f"one of {jobs} processes was killed, most likely for want of memory: "
                "score with fewer --jobs."
            ) from error


def _score_pair(files: tuple[Path, ...], scoring: Scoring) -> _PairScores:
    truth, answer = (read_labels(path, merge_parcels=scoring.merge_parcels) for path in files[:2])
    found = answer.to_ras()
    expected = label_on_grid(truth.to_ras(), found.values.shape, found.affine)
    expected, answered = _cut(expected, found.values, scoring)
    present = [frozenset(int(v) for v in np.unique(volume)) for volume in (expected, answered)]
    occurring = sorted((present[0] | present[1]) - {BACKGROUND})
    labels = scoring.labels.values if scoring.labels else occurring
    measure = _measure_as_original if scoring.as_original else _measure
    affine = np.eye(4) if scoring.voxels else found.affine
    values: dict[int | None, np.ndarray] = {}
    if len(labels):
        rows = measure(expected, answered, labels, affine, scoring)
        values.update(zip(labels, rows, strict=True))
    whole = [np.asarray(volume != 0, np.int32) for volume in (expected, answered)]
    values[None] = measure(whole[0], whole[1], [1], affine, scoring)[0]
    return _PairScores(values, *present)


def _cut(truth: np.ndarray, answer: np.ndarray, scoring: Scoring) -> tuple[np.ndarray, np.ndarray]:
    """Both maps, cut to what matters."""
    background = scoring.labels is not None and BACKGROUND in scoring.labels.values
    if background and not scoring.as_original:
        return truth, answer
    mask = truth > 0 if scoring.as_original else (truth != 0) | (answer != 0)
    if not mask.any():
        return truth, answer
    sides = (np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    margin = _ORIGINAL_MARGIN if scoring.as_original else 0
    # The original's box ends one voxel short.
    end = _ORIGINAL_MARGIN if scoring.as_original else 1
    box = tuple(slice(max(int(s[0]) - margin, 0), int(s[-1]) + end) for s in sides)
    return truth[box], answer[box]


def _measure(
    truth: np.ndarray, answer: np.ndarray, labels: Any, affine: np.ndarray, scoring: Scoring
) -> np.ndarray:
    """float64 `[label, metric]`."""
    dice = dice_scores(truth, answer, labels)[:, None]
    if not scoring.distances:
        return dice
    return np.hstack([dice, surface_distances(truth, answer, labels, affine)])


def _measure_as_original(
    truth: np.ndarray, answer: np.ndarray, labels: Any, affine: np.ndarray, scoring: Scoring
) -> np.ndarray:
    epsilon = ORIGINAL_EPSILON if len(labels) > 1 else 0.0
    dice = dice_scores(truth, answer, labels, epsilon=epsilon)[:, None]
    if not scoring.distances:
        return dice
    distances = [original_distances(truth == label, answer == label) for label in labels]
    return np.hstack([dice, distances])


def _row(scores: _PairScores, labels: LabelList, scoring: Scoring) -> np.ndarray:
    """float64 `[label + 1, metric]`; what the scan lacks altogether has no score."""
    nothing = np.full(len(scoring.metrics), np.nan)
    return np.array([scores.values.get(label, nothing) for label in (*labels.values, None)])


def _shared_labels(
    found: list[_PairScores], example: tuple[Path, ...]
) -> tuple[LabelList, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Labels that occur in both sets, and those in the truth and in the answers alone.

    Labels of one set alone are other anatomy more often than mistakes; a label that both sets know
    is scored in every scan, 0 where one of the two maps lacks it.
    """
    truth, answers = (
        frozenset().union(*(getattr(s, side) for s in found)) - {BACKGROUND}
        for side in ("in_truth", "in_answer")
    )
    shared = tuple(sorted(truth & answers))
    if not shared:
        raise ComparisonError(f"{example[1]} and {example[0]} have no label in common.")
    names = tuple(structure_name(value) for value in shared)
    left_out = tuple(sorted(truth - answers)), tuple(sorted(answers - truth))
    return LabelList(shared, names), left_out
