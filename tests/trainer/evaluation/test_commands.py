"""The command `evaluate`: exit codes, and one line for each mistake."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from tables import read_rows


def test_a_missing_answer_is_one_line_and_can_be_left_out(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    (study / "better" / "s2.nii.gz").unlink()
    done = evaluate(study / "better")
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "s2.nii.gz" in done.stderr
    done = evaluate(study / "better", "--partial")
    assert done.exit_code == 0
    assert "mean over 3 scans" in done.stdout


def test_without_a_list_structures_go_by_their_numbers_and_it_says_how_to_name_them(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    """An abdomen's label 3 is no cortex."""
    done = evaluate(study / "better", "--o", study / "out")
    assert done.exit_code == 0
    rows = read_rows(study / "out" / "scores.csv")[:2]
    assert [(row["label"], row["structure"]) for row in rows] == [
        ("3", "label 3"),
        ("42", "label 42"),
    ]
    (hint,) = done.stderr.splitlines()
    assert "--labels v2" in hint


def test_a_result_without_names_asks_for_no_names(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    assert not evaluate(study / "better", "--o", study / "dice.csv").stderr
    assert not evaluate(study / "better", "--labels", "v2", "--o", study / "out").stderr


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("place", ["truth", "better"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_broken_file_is_named_and_the_rest_is_scored(
    study: Path, evaluate: Callable[..., Result], place: str, jobs: int
) -> None:
    _truncate(study / place / "s2.nii.gz")
    done = evaluate(study / "better", "--jobs", jobs, "--o", study / "dice.csv")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert f"{study / place / 's2.nii.gz'}: " in line
    assert "mean over 3 scans" in done.stdout
    assert [row["subject"] for row in read_rows(study / "dice.csv")] == ["s0", "s1", "s3"]


def test_nothing_but_broken_files_is_an_error(study: Path, evaluate: Callable[..., Result]) -> None:
    for path in (study / "better").iterdir():
        _truncate(path)
    done = evaluate(study / "better", "--o", study / "dice.csv")
    assert done.exit_code == 2
    assert "no scan can be scored: " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (study / "dice.csv").exists()


def test_labels_that_no_map_holds_are_refused(study: Path, evaluate: Callable[..., Result]) -> None:
    done = evaluate(study / "better", "--labels", "0,99")
    assert done.exit_code == 2
    assert "hold none of the labels to be scored, but 3, 42." in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout
