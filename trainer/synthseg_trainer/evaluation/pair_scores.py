"""One segmentation of a scan against another, as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthseg_common.arrays import FloatArray
from synthseg_common.labels import BACKGROUND

from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.evaluation.image_files import label_on_grid, read_labels
from synthseg_trainer.evaluation.label_lists import LabelList
from synthseg_trainer.evaluation.overlap import ORIGINAL_EPSILON, dice_scores
from synthseg_trainer.evaluation.surface import DISTANCES, original_distances, surface_distances

DICE = "dice"
SOFT_DICE = "soft_dice"
_ORIGINAL_MARGIN = 10


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What is scored, and how.

    Attributes:
        labels: Labels in the order of the tables; `None` for those that occur in the truth and in
            the answers, but not background.
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
class PairScores:
    """Scores of one scan: by label one value per metric, the whole structure under `None`."""

    values: dict[int | None, FloatArray]
    in_truth: frozenset[int]
    in_answer: frozenset[int]


def score_pair(files: tuple[Path, ...], scoring: Scoring) -> PairScores:
    """Scores one scan.

    Args:
        files: The true label map and the answered one; the truth is looked up at the answer's
            voxels.
        scoring: What, and how.

    Raises:
        VolumeError: A file cannot be read.
    """
    truth, answer = (read_labels(path, merge_parcels=scoring.merge_parcels) for path in files[:2])
    found = answer.to_ras()
    expected = label_on_grid(truth.to_ras(), found.values.shape, found.affine)
    expected, answered = _cut(expected, found.values, scoring)
    present = [frozenset(int(v) for v in np.unique(volume)) for volume in (expected, answered)]
    occurring = sorted((present[0] | present[1]) - {BACKGROUND})
    labels = scoring.labels.values if scoring.labels else occurring
    measure = _measure_as_original if scoring.as_original else _measure
    affine = np.eye(4) if scoring.voxels else found.affine
    values: dict[int | None, FloatArray] = {}
    if len(labels):
        rows = measure(expected, answered, labels, affine, scoring)
        values.update(zip(labels, rows, strict=True))
    whole = [np.asarray(volume != 0, np.int32) for volume in (expected, answered)]
    values[None] = measure(whole[0], whole[1], [1], affine, scoring)[0]
    return PairScores(values, *present)


def _cut(truth: LabelArray, answer: LabelArray, scoring: Scoring) -> tuple[LabelArray, LabelArray]:
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
    truth: LabelArray,
    answer: LabelArray,
    labels: Sequence[int],
    affine: FloatArray,
    scoring: Scoring,
) -> FloatArray:
    """float64 `[label, metric]`."""
    dice = dice_scores(truth, answer, labels)[:, None]
    if not scoring.distances:
        return dice
    return np.hstack([dice, surface_distances(truth, answer, labels, affine)])


def _measure_as_original(
    truth: LabelArray,
    answer: LabelArray,
    labels: Sequence[int],
    affine: FloatArray,
    scoring: Scoring,
) -> FloatArray:
    epsilon = ORIGINAL_EPSILON if len(labels) > 1 else 0.0
    dice = dice_scores(truth, answer, labels, epsilon=epsilon)[:, None]
    if not scoring.distances:
        return dice
    distances = [original_distances(truth == label, answer == label) for label in labels]
    return np.hstack([dice, distances])
