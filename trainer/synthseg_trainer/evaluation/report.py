"""The work of `synthseg-trainer evaluate`: files in, tables and a figure out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthseg_trainer.errors import TrainerError
from synthseg_trainer.evaluation.comparison import (
    DICE,
    SOFT_DICE,
    Scores,
    Scoring,
    compare,
    compare_probabilities,
)
from synthseg_trainer.evaluation.overlap import mean_of_present
from synthseg_trainer.evaluation.pairs import match_files
from synthseg_trainer.evaluation.score_tables import (
    MEAN,
    paired_tests,
    write_comparison,
    write_long_table,
    write_wide_table,
)

BOX_PLOT = "boxplot.png"
LONG_TABLE = "scores.csv"
TESTS = "tests.csv"
_CSV = ".csv"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is evaluated.

    Attributes:
        truth: A label map, or a folder of them.
        answers: A label map, or a folder with files of the same names.
        against: A second set of answers, to test the first against.
        posteriors: Probabilities of the first set, for soft Dice.
        scoring: What to measure.
        partial: Leave out scans that lack a file.
    """

    truth: Path
    answers: Path
    against: Path | None = None
    posteriors: Path | None = None
    scoring: Scoring
    partial: bool = False


@dataclass(frozen=True)
class Result:
    """Scores of the answers, and of the second set if there is one."""

    first: Scores
    second: Scores | None = None


def evaluate(
    request: Evaluation, *, jobs: int = 1, report: Callable[[str], None] = lambda name: None
) -> Result:
    """Scores one set of segmentations, or two.

    Args:
        request: What to evaluate.
        jobs: Processes that share the scans.
        report: Called with a scan's name when it is scored.

    Raises:
        TrainerError: Files are missing, unreadable, or have nothing in common.
    """
    places = [request.truth, request.answers]
    places += [place for place in (request.against, request.posteriors) if place is not None]
    matched = match_files(*places, partial=request.partial)
    scoring = request.scoring
    first = compare(
        {name: files[:2] for name, files in matched.items()}, scoring, jobs=jobs, report=report
    )
    second = None
    if request.against is not None:
        pairs = {name: (files[0], files[2]) for name, files in matched.items()}
        # The same columns, so that there is something to test.
        alike = dataclasses.replace(scoring, labels=first.labels)
        second = compare(pairs, alike, jobs=jobs, report=report)
    if request.posteriors is not None:
        pairs = {name: (files[0], files[-1]) for name, files in matched.items()}
        soft = compare_probabilities(
            pairs, first.labels, scoring.labels, merge_parcels=scoring.merge_parcels
        )
        first = dataclasses.replace(first, values={**first.values, SOFT_DICE: soft})
    return Result(first, second)


def prepare_output(output: Path) -> None:
    """Makes the folder that `write_result` writes to, so that scores are not lost for want of it.

    Raises:
        TrainerError: It cannot be made.
    """
    folder = output.parent if output.suffix == _CSV else output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainerError(
            f"{folder} cannot be made: {error.strerror}. Name another place with --o."
        ) from error


def write_result(output: Path, request: Evaluation, result: Result) -> list[Path]:
    """Writes tables and figure.

    Args:
        output: A `.csv` for the table of Dice alone, or a folder for everything: a table per
            metric, all of them in one, the box plot, and the tests of two sets.
        request: What was evaluated.
        result: Its scores.

    Returns:
        The files.

    Raises:
        StoreError: A file cannot be written.
    """
    if output.suffix == _CSV:
        write_wide_table(output, result.first)
        return [output]
    return list(_write_folder(output, request, result))


def _write_folder(output: Path, request: Evaluation, result: Result) -> Iterator[Path]:
    from synthseg_trainer.evaluation.figures import draw_box_plot

    first, second, unit = result.first, result.second, request.scoring.unit
    for metric in first.values:
        write_wide_table(output / f"{metric}{_CSV}", first, metric)
        yield output / f"{metric}{_CSV}"
    write_long_table(output / LONG_TABLE, first, unit)
    yield output / LONG_TABLE
    sets = {request.answers.name: first}
    if second is not None and request.against is not None:
        for metric in second.values:
            write_wide_table(output / f"second_{metric}{_CSV}", second, metric)
            yield output / f"second_{metric}{_CSV}"
        shared = dataclasses.replace(first, values={m: first.values[m] for m in second.values})
        write_comparison(output / TESTS, shared, second, unit)
        yield output / TESTS
        sets = {f"first: {request.answers}": shared, f"second: {request.against}": second}
    draw_box_plot(output / BOX_PLOT, sets, unit)
    yield output / BOX_PLOT


def summary(request: Evaluation, result: Result) -> Iterator[str]:
    """The result in lines for a terminal."""
    first = result.first
    means = first.means()
    for row, scan in enumerate(first.scans):
        count = int(np.isfinite(first.values[DICE][row, first.structures]).sum())
        yield f"{scan}: mean Dice {means[row]:.3f} over {count} structures"
    if len(first.scans) > 1:
        yield f"mean over {len(first.scans)} scans: {float(mean_of_present(means[:, None])[0]):.3f}"
    for where, labels in zip(("truth has", "answers have"), first.left_out, strict=True):
        if labels:
            listed = ", ".join(map(str, labels))
            yield f"not scored, because only the {where} them: labels {listed}"
    if result.second is not None:
        yield from _summary_of_tests(first, result.second)


def _summary_of_tests(first: Scores, second: Scores) -> Iterator[str]:
    for (_, name), test in paired_tests(first, second, DICE):
        if name == MEAN:
            yield (
                f"mean Dice {test.first_mean:.3f} against {test.second_mean:.3f} "
                f"over {test.count} scans: Wilcoxon p = {test.p_value:.3g}, "
                f"Cohen's d = {test.cohens_d:.2f}"
            )
