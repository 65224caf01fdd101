"""The work of `synthseg-trainer evaluate`: files in, tables and a figure out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthseg_trainer.evaluation.comparison import Scores, compare_sets
from synthseg_trainer.evaluation.image_files import ImageFileError
from synthseg_trainer.evaluation.output import OutputError, prepare_folder
from synthseg_trainer.evaluation.pair_scores import SOFT_DICE, Scoring
from synthseg_trainer.evaluation.pairs import match_files
from synthseg_trainer.evaluation.probabilities import check_channels, compare_probabilities
from synthseg_trainer.evaluation.score_tables import (
    column_name,
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
        output: A `.csv` for the table of Dice alone; or a folder for everything: a table per
            metric, all of them in one, the box plot, and the tests of two sets. `None` for nothing.
    """

    truth: Path
    answers: Path
    against: Path | None = None
    posteriors: Path | None = None
    scoring: Scoring
    partial: bool = False
    output: Path | None = None


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
        TrainerError: Files are missing, all unreadable, or have nothing in common; or the results
            would have no place.
    """
    _refuse_small_output(request)
    places = [request.truth, request.answers]
    places += [place for place in (request.against, request.posteriors) if place is not None]
    matched = match_files(*places, partial=request.partial)
    scoring = request.scoring
    probabilities = {name: (files[0], files[-1]) for name, files in matched.items()}
    if request.posteriors is not None:
        check_channels(probabilities, scoring.labels)
    if request.output is not None:
        prepare_folder(request.output.parent if _is_table(request.output) else request.output)
    answers = range(1, 2 if request.against is None else 3)
    sets = [{name: (files[0], files[i]) for name, files in matched.items()} for i in answers]
    result = Result(*compare_sets(sets, scoring, jobs=jobs, report=report))
    return result if request.posteriors is None else _with_soft_dice(result, probabilities, scoring)


def _with_soft_dice(
    result: Result, probabilities: Mapping[str, tuple[Path, ...]], scoring: Scoring
) -> Result:
    """Adds soft Dice to the first set; scans whose probabilities cannot be read leave both."""
    soft, failures = {}, []
    for scan in result.first.scans:
        try:
            (soft[scan],) = compare_probabilities(
                {scan: probabilities[scan]},
                result.first.labels,
                scoring.labels,
                merge_parcels=scoring.merge_parcels,
            )
        except ImageFileError as error:
            failures.append(error)
    if not soft:
        raise ImageFileError(f"no scan can be scored: {failures[0]}") from failures[0]
    sets = [scores for scores in (result.first, result.second) if scores is not None]
    first, *rest = (scores.reduced_to(soft, map(str, failures)) for scores in sets)
    values = {**first.values, SOFT_DICE: np.array(list(soft.values()))}
    return Result(dataclasses.replace(first, values=values), *rest)


def write_result(request: Evaluation, result: Result) -> list[Path]:
    """Writes tables and figure to the output, if there is one.

    Args:
        request: What was evaluated.
        result: Its scores.

    Returns:
        The files.

    Raises:
        OutputError: A file cannot be written.
    """
    if request.output is None:
        return []
    if _is_table(request.output):
        write_wide_table(request.output, result.first)
        return [request.output]
    return list(_write_folder(request.output, request, result))


def _is_table(output: Path) -> bool:
    return output.suffix.lower() == _CSV


def _refuse_small_output(request: Evaluation) -> None:
    """Refuses a `.csv` that could not hold what is measured.

    Raises:
        OutputError: It is one.
    """
    if request.output is None or not _is_table(request.output):
        return
    if request.output.is_dir():
        raise OutputError(f"{request.output} is a folder, expected a table: name another with --o.")
    asked = {
        "--distances": request.scoring.distances,
        "--against": request.against is not None,
        "--posteriors": request.posteriors is not None,
    }
    lost = [option for option, wanted in asked.items() if wanted]
    if lost:
        raise OutputError(
            f"{request.output} would hold Dice alone, and nothing of {' and '.join(lost)}: "
            "name a folder with --o."
        )


def _write_folder(output: Path, request: Evaluation, result: Result) -> Iterator[Path]:
    from synthseg_trainer.evaluation.figures import draw_box_plot

    first, second, unit = result.first, result.second, request.scoring.unit
    for metric in first.values:
        table = output / f"{column_name(metric, unit)}{_CSV}"
        write_wide_table(table, first, metric)
        yield table
    write_long_table(output / LONG_TABLE, first, unit)
    yield output / LONG_TABLE
    sets = {request.answers.name: first}
    if second is not None and request.against is not None:
        for metric in second.values:
            table = output / f"second_{column_name(metric, unit)}{_CSV}"
            write_wide_table(table, second, metric)
            yield table
        shared = dataclasses.replace(first, values={m: first.values[m] for m in second.values})
        write_comparison(output / TESTS, shared, second, unit)
        yield output / TESTS
        sets = {f"first: {request.answers}": shared, f"second: {request.against}": second}
    draw_box_plot(output / BOX_PLOT, sets, unit)
    yield output / BOX_PLOT
