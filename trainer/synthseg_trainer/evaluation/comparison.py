"""Segmentations of scans against other segmentations of the same scans, as files."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from synthseg_common.arrays import FloatArray
from synthseg_common.labels import BACKGROUND

from synthseg_trainer.errors import TrainerError
from synthseg_trainer.evaluation.image_files import ImageFileError
from synthseg_trainer.evaluation.label_lists import LabelList
from synthseg_trainer.evaluation.overlap import mean_of_present
from synthseg_trainer.evaluation.pair_scores import DICE, PairScores, Scoring, score_pair

Pairs = Mapping[str, tuple[Path, ...]]
"""By scan the true label map and the answered one."""


class ComparisonError(TrainerError, ValueError):
    """Files have nothing in common, or do not fit the labels."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Which label values the truth and a set of answers do not share.

    Attributes:
        truth_alone: In the truth but in no set of answers; not scored.
        answers_alone: In these answers but not in the truth; not scored.
        never_found: Scored, for another set of answers has them, but not in these answers.
    """

    truth_alone: tuple[int, ...] = ()
    answers_alone: tuple[int, ...] = ()
    never_found: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scores:
    """Scores of a set of scans.

    Attributes:
        scans: Names, one per row.
        labels: Structures, one per column.
        values: By metric float64 `[scan, label + 1]`; the last column is the whole structure,
            everything that is not background. NaN where there is no score.
        coverage: Labels that not all know; nothing where the labels were asked for.
        failures: Why scans are left out, a line for each file that cannot be read.
    """

    scans: tuple[str, ...]
    labels: LabelList
    values: Mapping[str, FloatArray]
    coverage: Coverage = Coverage()
    failures: tuple[str, ...] = ()

    @property
    def structures(self) -> list[int]:
        """Columns of the labels that are structures; background is none."""
        return [i for i, label in enumerate(self.labels.values) if label != BACKGROUND]

    def means(self, metric: str = DICE) -> FloatArray:
        """float64 `[scan]`: mean over the structures that have a score."""
        return mean_of_present(self.values[metric][:, self.structures].T)

    def reduced_to(self, scans: Collection[str], failures: Iterable[str]) -> Scores:
        """The same without the scans that failed later, and why they did."""
        rows = [row for row, scan in enumerate(self.scans) if scan in scans]
        return replace(
            self,
            scans=tuple(self.scans[row] for row in rows),
            values={metric: values[rows] for metric, values in self.values.items()},
            failures=(*self.failures, *failures),
        )


def compare(
    pairs: Pairs,
    scoring: Scoring,
    *,
    jobs: int = 1,
    report: Callable[[str], None] = lambda name: None,
) -> Scores:
    """Scores one set of answers, see `compare_sets`."""
    return compare_sets([pairs], scoring, jobs=jobs, report=report)[0]


def compare_sets(
    sets: Sequence[Pairs],
    scoring: Scoring,
    *,
    jobs: int = 1,
    report: Callable[[str], None] = lambda name: None,
) -> list[Scores]:
    """Scores several sets of answers by the same labels, so that they can be compared.

    A scan of which a file cannot be read is left out of all sets.

    Args:
        sets: For each set of answers, by scan the true label map and the answered one, see
            `match_files`. Grids may differ: the truth is looked up at the answer's voxels.
        scoring: What to measure.
        jobs: Processes that share the scans.
        report: Called with a scan's name when it is scored.

    Returns:
        Scores of each set; the columns are the same.

    Raises:
        VolumeError: No scan is left of a set.
        ComparisonError: Truth and answers share no label, or hold none of those asked for.
    """
    found, failures = _score_sets(sets, scoring, jobs, report)
    by_set = [list(scores.values()) for scores in found]
    example = sets[0][next(iter(found[0]))]
    labels, coverage = scoring.labels, [Coverage()] * len(sets)
    if labels is None:
        labels, coverage = _labels_to_score(by_set, example)
    else:
        _refuse_strange_labels(labels, by_set, example)
    return [
        Scores(tuple(names), labels, _values(scores, labels, scoring), covered, failures)
        for names, scores, covered in zip(found, by_set, coverage, strict=True)
    ]


def _score_sets(
    sets: Sequence[Pairs], scoring: Scoring, jobs: int, report: Callable[[str], None]
) -> tuple[list[dict[str, PairScores]], tuple[str, ...]]:
    """Scores of each set by scan, without the scans that failed in any; and why they did."""
    files = [(i, name, paths) for i, pairs in enumerate(sets) for name, paths in pairs.items()]
    found: list[dict[str, PairScores]] = [{} for _ in sets]
    failed: dict[str, ImageFileError] = {}
    left_out = set()
    score = functools.partial(_try_pair, scoring=scoring)
    scored = _each(score, [paths for *_, paths in files], jobs)
    for (number, name, _), scores in zip(files, scored, strict=True):
        if isinstance(scores, ImageFileError):
            # A broken truth fails in each set, and is told once.
            failed[str(scores)] = scores
            left_out.add(name)
            continue
        found[number][name] = scores
        report(name)
    left = [{n: s for n, s in scores.items() if n not in left_out} for scores in found]
    if not all(left):
        first = next(iter(failed.values()))
        raise ImageFileError(f"no scan can be scored: {first}") from first
    return left, tuple(failed)


def _each(
    score: Callable[[tuple[Path, ...]], PairScores | ImageFileError],
    files: list[tuple[Path, ...]],
    jobs: int,
) -> Iterable[PairScores | ImageFileError]:
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


def _try_pair(files: tuple[Path, ...], scoring: Scoring) -> PairScores | ImageFileError:
    try:
        return score_pair(files, scoring)
    except ImageFileError as error:
        return error


def _values(found: list[PairScores], labels: LabelList, scoring: Scoring) -> dict[str, FloatArray]:
    """By metric float64 `[scan, label + 1]`; what a pair lacks altogether has no score."""
    nothing = np.full(len(scoring.metrics), np.nan)
    rows = [[s.values.get(label, nothing) for label in (*labels.values, None)] for s in found]
    return dict(zip(scoring.metrics, np.moveaxis(np.array(rows), -1, 0), strict=True))


def _labels_to_score(
    by_set: list[list[PairScores]], example: tuple[Path, ...]
) -> tuple[LabelList, list[Coverage]]:
    """Labels that occur in the truth and in a set of answers, and which sets lack which.

    Labels of one side alone are other anatomy more often than mistakes; a label that both sides
    know is scored in every scan, 0 where one of the two maps lacks it. One set that knows it is
    enough: else a method would look the better, the more structures it never finds.
    """
    truth = _occurring(itertools.chain(*by_set), "in_truth")
    answers = [_occurring(found, "in_answer") for found in by_set]
    anywhere = frozenset().union(*answers)
    scored = tuple(sorted(truth & anywhere))
    if not scored:
        raise ComparisonError(f"{example[1]} and {example[0]} have no label in common.")
    coverage = [
        Coverage(
            truth_alone=tuple(sorted(truth - anywhere)),
            answers_alone=tuple(sorted(answered - truth)),
            never_found=tuple(sorted((truth & anywhere) - answered)),
        )
        for answered in answers
    ]
    # What the numbers mean is not known: FreeSurfer's names would be wrong for other anatomy.
    return LabelList(scored, tuple(f"label {value}" for value in scored)), coverage


def _refuse_strange_labels(
    labels: LabelList, by_set: list[list[PairScores]], example: tuple[Path, ...]
) -> None:
    """Refuses labels none of which is in any map.

    Raises:
        ComparisonError: They are such.
    """
    asked = set(labels.values) - {BACKGROUND}
    found = [scores for scores_of_set in by_set for scores in scores_of_set]
    there = _occurring(found, "in_truth") | _occurring(found, "in_answer")
    if asked and not asked & there:
        held = ", ".join(map(str, sorted(there))) or "background alone"
        raise ComparisonError(
            f"{example[1]} and {example[0]} hold none of the labels to be scored, but {held}."
        )


def _occurring(found: Iterable[PairScores], side: str) -> frozenset[int]:
    return frozenset().union(*(getattr(scores, side) for scores in found)) - {BACKGROUND}
