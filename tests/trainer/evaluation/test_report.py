import csv
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import Result
from typed import load_nifti

METRICS = ("dice", "hausdorff_mm", "hausdorff_99_mm", "hausdorff_95_mm", "mean_distance_mm")


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_holds_dice_a_row_per_scan(study: Path, evaluate: Callable[..., Result]) -> None:
    done = evaluate(study / "better", "--o", study / "dice.csv")
    assert done.exit_code == 0, done.output
    assert "mean over 4 scans" in done.stdout
    rows = _table(study / "dice.csv")
    assert list(rows[0]) == ["subject", "3", "42", "whole", "mean"]
    assert [row["subject"] for row in rows] == ["s0", "s1", "s2", "s3"]
    for row in rows:
        mean = (float(row["3"]) + float(row["42"])) / 2
        assert float(row["mean"]) == pytest.approx(mean, abs=1e-5)


def test_a_folder_holds_every_metric_and_a_picture(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    done = evaluate(study / "better", "--distances", "--labels", "3,42", "--o", study / "out")
    assert done.exit_code == 0, done.output
    names = {f"{metric}.csv" for metric in METRICS} | {"scores.csv", "boxplot.png"}
    assert {path.name for path in (study / "out").iterdir()} == names
    assert (study / "out" / "boxplot.png").read_bytes().startswith(b"\x89PNG")
    rows = _table(study / "out" / "scores.csv")
    assert len(rows) == 4 * 3
    assert rows[0]["structure"] == "left cerebral cortex"
    assert float(rows[0]["hausdorff_mm"]) == 1
    assert rows[2]["structure"] == "whole"


def test_two_methods_are_tested_against_each_other(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    done = evaluate(study / "better", "--against", study / "worse", "--o", study / "out")
    assert done.exit_code == 0, done.output
    assert "Wilcoxon p = 0.125, Cohen's d = " in done.stdout
    names = {"dice.csv", "second_dice.csv", "scores.csv", "tests.csv", "boxplot.png"}
    assert {path.name for path in (study / "out").iterdir()} == names
    rows = _table(study / "out" / "tests.csv")
    assert [row["structure"] for row in rows] == [
        "label 3",
        "label 42",
        "whole",
        "mean",
    ]
    assert all(float(row["wilcoxon_p"]) == 0.125 for row in rows)
    assert all(float(row["first_mean"]) > float(row["second_mean"]) for row in rows)


def test_a_method_that_finds_nothing_has_no_distances_and_a_picture(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    for path in (study / "worse").iterdir():
        nib.save(nib.Nifti1Image(np.zeros((14, 14, 14), np.int16), np.eye(4)), path)
    options = ("--against", study / "worse", "--distances", "--o", study / "out")
    done = evaluate(study / "better", *options)
    assert done.exit_code == 0, done.output
    assert (study / "out" / "boxplot.png").is_file()
    assert {row["whole"] for row in _table(study / "out" / "second_hausdorff_mm.csv")} == {""}


def test_probabilities_add_soft_dice(study: Path, evaluate: Callable[..., Result]) -> None:
    for number in range(4):
        labels = np.asarray(load_nifti(study / "better" / f"s{number}.nii.gz").dataobj)
        halves = np.stack([0.5 * (labels == value) for value in (3, 42)], axis=-1)
        path = study / "post" / f"s{number}_posteriors.nii.gz"
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(halves.astype(np.float32), np.eye(4)), path)
    options = ("--posteriors", study / "post", "--labels", "42,3", "--o", study / "out")
    done = evaluate(study / "better", *options)
    assert done.exit_code == 0, done.output
    (hard, *_), (soft, *_) = (_table(study / "out" / f"{n}.csv") for n in ("dice", "soft_dice"))
    assert list(soft) == ["subject", "42", "3", "whole", "mean"]
    # Half of the overlap, over one and a half of the size.
    for label in ("3", "42"):
        assert float(soft[label]) == pytest.approx(float(hard[label]) * 2 / 3, abs=1e-5)


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


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_scored(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    (study / "taken").write_text("a file")
    done = evaluate(study / "better", "--o", study / "taken" / "scores")
    assert done.exit_code == 2
    assert "taken" in done.stderr
    assert "mean over" not in done.stdout


@pytest.mark.parametrize("option", ["--distances", "--against", "--posteriors"])
def test_a_csv_is_refused_for_more_than_dice_before_anything_is_scored(
    study: Path, evaluate: Callable[..., Result], option: str
) -> None:
    value = [] if option == "--distances" else [study / "worse"]
    done = evaluate(study / "better", option, *value, "--o", study / "dice.csv")
    assert done.exit_code == 2
    assert f"would hold Dice alone, and nothing of {option}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout
    assert not (study / "dice.csv").exists()


def test_probabilities_of_other_labels_are_refused_before_anything_is_scored(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    done = evaluate(study / "better", "--posteriors", study / "worse", "--o", study / "out")
    assert done.exit_code == 2
    assert "name the labels of all channels with --labels" in done.stderr
    assert not (study / "out").exists()


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
        found.append(_table(study / "out" / "tests.csv"))
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
    rows = [r for r in _table(study / "out" / "tests.csv") if r["metric"] == "mean_distance_mm"]
    left, mean = (next(r for r in rows if r["structure"] == name) for name in ("label 3", "mean"))
    assert {**left, "label": "", "structure": "mean"} == mean


def test_without_a_list_structures_go_by_their_numbers_and_it_says_how_to_name_them(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    """An abdomen's label 3 is no cortex."""
    done = evaluate(study / "better", "--o", study / "out")
    assert done.exit_code == 0
    rows = _table(study / "out" / "scores.csv")[:2]
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
    assert [row["subject"] for row in _table(study / "dice.csv")] == ["s0", "s1", "s3"]


def test_a_scan_that_fails_anywhere_is_left_out_of_both_methods(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    for place, name in (("truth", "s0"), ("worse", "s1")):
        _truncate(study / place / f"{name}.nii.gz")
    done = evaluate(study / "better", "--against", study / "worse", "--o", study / "out")
    assert done.exit_code == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("Left out: ")]
    assert len(said) == 2
    for table in ("dice.csv", "second_dice.csv"):
        assert [row["subject"] for row in _table(study / "out" / table)] == ["s2", "s3"]


def test_a_scan_with_broken_probabilities_is_left_out(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    (study / "post").mkdir()
    for number in range(4):
        halves = np.full((14, 14, 14, 2), 0.5, np.float32)
        path = study / "post" / f"s{number}_posteriors.nii.gz"
        nib.save(nib.Nifti1Image(halves, np.eye(4)), path)
    (study / "post" / "s0_posteriors.nii.gz").write_bytes(b"")
    _truncate(study / "post" / "s3_posteriors.nii.gz")
    options = ("--posteriors", study / "post", "--labels", "42,3", "--o", study / "out")
    done = evaluate(study / "better", *options)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 2
    for table in ("dice.csv", "soft_dice.csv"):
        assert [row["subject"] for row in _table(study / "out" / table)] == ["s1", "s2"]


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
