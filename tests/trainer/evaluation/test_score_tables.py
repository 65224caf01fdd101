"""Tables of scores, as files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from tables import read_rows


def test_a_csv_holds_dice_a_row_per_scan(study: Path, evaluate: Callable[..., Result]) -> None:
    done = evaluate(study / "better", "--o", study / "dice.csv")
    assert done.exit_code == 0, done.output
    assert "mean over 4 scans" in done.stdout
    rows = read_rows(study / "dice.csv")
    assert list(rows[0]) == ["subject", "3", "42", "whole", "mean"]
    assert [row["subject"] for row in rows] == ["s0", "s1", "s2", "s3"]
    for row in rows:
        mean = (float(row["3"]) + float(row["42"])) / 2
        assert float(row["mean"]) == pytest.approx(mean, abs=1e-5)


def test_exchanged_methods_have_the_same_p_values(
    study: Path, evaluate: Callable[..., Result], relabel: Callable[..., None]
) -> None:
    # The first never finds what the second finds in part.
    relabel("truth", np.s_[:, :, 4:6], 17)
    relabel("worse", np.s_[:, :, 5:7], 17)
    found = []
    for first, second in (("better", "worse"), ("worse", "better")):
        done = evaluate(study / first, "--against", study / second, "--o", study / "out")
        assert done.exit_code == 0, done.output
        found.append(read_rows(study / "out" / "tests.csv"))
    assert [row["label"] for row in found[0]] == ["3", "17", "42", "", ""]
    for one, other in zip(*found, strict=True):
        assert one["wilcoxon_p"] == other["wilcoxon_p"]
        assert one["first_mean"] == other["second_mean"]
        assert float(one["cohens_d"] or 0) == -float(other["cohens_d"] or 0)
    assert float(found[0][1]["first_mean"]) == 0 < float(found[0][1]["second_mean"])


def test_a_missed_structure_does_not_shorten_mean_distances(
    study: Path, evaluate: Callable[..., Result], relabel: Callable[..., None]
) -> None:
    """The mean is that of structures which both methods found."""
    relabel("better", np.s_[7:], 0)
    options = ("--against", study / "worse", "--distances", "--o", study / "out")
    assert evaluate(study / "better", *options).exit_code == 0
    rows = [r for r in read_rows(study / "out" / "tests.csv") if r["metric"] == "mean_distance_mm"]
    left, mean = (next(r for r in rows if r["structure"] == name) for name in ("label 3", "mean"))
    assert {**left, "label": "", "structure": "mean"} == mean
