"""What `synthseg-trainer evaluate` found, in lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from synthseg_trainer.evaluation.comparison import Scores
from synthseg_trainer.evaluation.overlap import mean_of_present
from synthseg_trainer.evaluation.pair_scores import DICE
from synthseg_trainer.evaluation.paired_tests import PairedTest
from synthseg_trainer.evaluation.report import Evaluation, Result
from synthseg_trainer.evaluation.score_tables import MEAN, paired_tests, title
from synthseg_trainer.evaluation.surface import DISTANCES


def summary(request: Evaluation, result: Result) -> Iterator[str]:
    """The result in lines: each scan, the mean, the tests of two sets, and what is not scored."""
    unit = request.scoring.unit
    yield from _means(result.first, unit)
    if result.second is not None:
        yield from _tests(result.first, result.second, unit)
    yield from _coverage(request, result)


def _means(scores: Scores, unit: str) -> Iterator[str]:
    means = {metric: scores.means(metric) for metric in scores.values}
    for row, scan in enumerate(scores.scans):
        found = {metric: float(values[row]) for metric, values in means.items()}
        yield f"{scan}: {_in_words(found, unit, _counts(scores, row))}"
    if len(scores.scans) > 1:
        found = {m: float(mean_of_present(v[:, None])[0]) for m, v in means.items()}
        yield f"mean over {len(scores.scans)} scans: {_in_words(found, unit)}"


def _counts(scores: Scores, row: int) -> dict[str, int]:
    """How many structures of a scan have a score, by metric."""
    return {
        metric: int(np.isfinite(values[row, scores.structures]).sum())
        for metric, values in scores.values.items()
    }


def _in_words(
    means: Mapping[str, float], unit: str, counts: Mapping[str, int] | None = None
) -> str:
    """Means over structures, such as `mean Dice 0.800 over 2 structures, soft Dice 0.533`."""
    overlaps = [f"{title(m)} {means[m]:.3f}" for m in means if m not in DISTANCES]
    text = f"mean {overlaps[0]}" if counts else overlaps[0]
    if counts:
        text += f" over {_structures(counts[DICE])}"
    text = ", ".join([text, *overlaps[1:]])
    distances = [m for m in means if m in DISTANCES]
    if not distances:
        return text
    # Fewer structures have distances than Dice: what one of the maps lacks has none.
    over = f" over {_structures(counts[distances[0]])}" if counts else ""
    listed = ", ".join(f"{title(m)} {means[m]:.2f}" for m in distances)
    there = math.isfinite(means[distances[0]])
    return f"{text}; {listed} {unit}{over}" if there else f"{text}; no distances"


def _structures(count: int) -> str:
    return f"{count} structure" if count == 1 else f"{count} structures"


def _tests(first: Scores, second: Scores, unit: str) -> Iterator[str]:
    """One line per metric: the test of the means over the structures."""
    for metric in second.values:
        (test,) = (t for (_, name), t in paired_tests(first, second, metric) if name == MEAN)
        if not test.count:
            yield f"{title(metric)}: no scan has one in both sets"
            continue
        digits, of = (2, f" in {unit}") if metric in DISTANCES else (3, "")
        means = f"{test.first_mean:.{digits}f} against {test.second_mean:.{digits}f}"
        yield f"mean {title(metric).removeprefix('mean ')}{of} {means}{_test_in_words(test)}"


def _test_in_words(test: PairedTest) -> str:
    if test.count == 1:
        return " on 1 scan, too few for a test"
    d = f"= {test.cohens_d:.2f}" if math.isfinite(test.cohens_d) else "undefined without spread"
    return f" over {test.count} scans: Wilcoxon p = {test.p_value:.3g}, Cohen's d {d}"


def _coverage(request: Evaluation, result: Result) -> Iterator[str]:
    """Lines on labels that truth, answers and second answers do not share."""
    sets = {str(request.answers): result.first.coverage}
    if result.second is not None:
        sets[str(request.against)] = result.second.coverage
    if labels := result.first.coverage.truth_alone:
        yield f"not scored, because only the truth has them: {_listed(labels)}"
    for where, coverage in sets.items():
        alone = "only the answers have them"
        if len(sets) > 1:
            alone = f"{where} has them, but the truth does not"
        if labels := coverage.answers_alone:
            yield f"not scored, because {alone}: {_listed(labels)}"
        if labels := coverage.never_found:
            yield f"Dice 0, because {where} never has them: {_listed(labels)}"


def _listed(labels: Iterable[int]) -> str:
    return f"labels {', '.join(map(str, labels))}"
