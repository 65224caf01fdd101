from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import Result
from loading import load_nifti
from tables import read_rows

METRICS = ("dice", "hausdorff_mm", "hausdorff_99_mm", "hausdorff_95_mm", "mean_distance_mm")


def test_a_folder_holds_every_metric_and_a_picture(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    done = evaluate(study / "better", "--distances", "--labels", "3,42", "--o", study / "out")
    assert done.exit_code == 0, done.output
    names = {f"{metric}.csv" for metric in METRICS} | {"scores.csv", "boxplot.png"}
    assert {path.name for path in (study / "out").iterdir()} == names
    assert (study / "out" / "boxplot.png").read_bytes().startswith(b"\x89PNG")
    rows = read_rows(study / "out" / "scores.csv")
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
    rows = read_rows(study / "out" / "tests.csv")
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
    assert {row["whole"] for row in read_rows(study / "out" / "second_hausdorff_mm.csv")} == {""}


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
    (hard, *_), (soft, *_) = (read_rows(study / "out" / f"{n}.csv") for n in ("dice", "soft_dice"))
    assert list(soft) == ["subject", "42", "3", "whole", "mean"]
    # Half of the overlap, over one and a half of the size.
    for label in ("3", "42"):
        assert float(soft[label]) == pytest.approx(float(hard[label]) * 2 / 3, abs=1e-5)


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


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


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
        assert [row["subject"] for row in read_rows(study / "out" / table)] == ["s2", "s3"]


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
        assert [row["subject"] for row in read_rows(study / "out" / table)] == ["s1", "s2"]
