import csv

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from synthseg_trainer.cli import main

METRICS = ("dice", "hausdorff", "hausdorff_99", "hausdorff_95", "mean_distance")


@pytest.fixture
def study(tmp_path):
    """True label maps of four scans, and two methods' answers; the first one's are better."""
    truth = np.zeros((14, 14, 14), np.int16)
    truth[2:7, 3:11, 4:12] = 3
    truth[7:12, 3:11, 4:12] = 42
    for number in range(4):
        for method, shift in (("truth", 0), ("better", 1), ("worse", 2)):
            moved = np.roll(truth, shift, number % 3)
            (tmp_path / method).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(moved, np.eye(4)), tmp_path / method / f"s{number}.nii.gz")
    return tmp_path


def _evaluate(study, *arguments):
    return CliRunner().invoke(main, ["evaluate", str(study / "truth"), *map(str, arguments)])


def _table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_holds_dice_a_row_per_scan(study):
    done = _evaluate(study, study / "better", "--o", study / "dice.csv")
    assert done.exit_code == 0, done.output
    assert "mean over 4 scans" in done.stdout
    rows = _table(study / "dice.csv")
    assert list(rows[0]) == ["subject", "3", "42", "whole", "mean"]
    assert [row["subject"] for row in rows] == ["s0", "s1", "s2", "s3"]
    for row in rows:
        mean = (float(row["3"]) + float(row["42"])) / 2
        assert float(row["mean"]) == pytest.approx(mean, abs=1e-5)


def test_a_folder_holds_every_metric_and_a_picture(study):
    done = _evaluate(study, study / "better", "--distances", "--o", study / "out")
    assert done.exit_code == 0, done.output
    names = {f"{metric}.csv" for metric in METRICS} | {"scores.csv", "boxplot.png"}
    assert {path.name for path in (study / "out").iterdir()} == names
    assert (study / "out" / "boxplot.png").read_bytes().startswith(b"\x89PNG")
    rows = _table(study / "out" / "scores.csv")
    assert len(rows) == 4 * 3
    assert rows[0]["structure"] == "left cerebral cortex"
    assert float(rows[0]["hausdorff_mm"]) == 1
    assert rows[2]["structure"] == "whole"


def test_two_methods_are_tested_against_each_other(study):
    done = _evaluate(study, study / "better", "--against", study / "worse", "--o", study / "out")
    assert done.exit_code == 0, done.output
    assert "Wilcoxon p = 0.125, Cohen's d = " in done.stdout
    names = {"dice.csv", "second_dice.csv", "scores.csv", "tests.csv", "boxplot.png"}
    assert {path.name for path in (study / "out").iterdir()} == names
    rows = _table(study / "out" / "tests.csv")
    assert [row["structure"] for row in rows] == [
        "left cerebral cortex",
        "right cerebral cortex",
        "whole",
        "mean",
    ]
    assert all(float(row["wilcoxon_p"]) == 0.125 for row in rows)
    assert all(float(row["first_mean"]) > float(row["second_mean"]) for row in rows)


def test_a_method_that_finds_nothing_has_no_distances_and_a_picture(study):
    for path in (study / "worse").iterdir():
        nib.save(nib.Nifti1Image(np.zeros((14, 14, 14), np.int16), np.eye(4)), path)
    options = ("--against", study / "worse", "--distances", "--o", study / "out")
    done = _evaluate(study, study / "better", *options)
    assert done.exit_code == 0, done.output
    assert (study / "out" / "boxplot.png").is_file()
    assert {row["whole"] for row in _table(study / "out" / "second_hausdorff.csv")} == {""}


def test_probabilities_add_soft_dice(study):
    for number in range(4):
        labels = np.asarray(nib.load(study / "better" / f"s{number}.nii.gz").dataobj)
        halves = np.stack([0.5 * (labels == value) for value in (42, 3)], axis=-1)
        path = study / "post" / f"s{number}_posteriors.nii.gz"
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(halves.astype(np.float32), np.eye(4)), path)
    options = ("--posteriors", study / "post", "--labels", "42,3", "--o", study / "out")
    done = _evaluate(study, study / "better", *options)
    assert done.exit_code == 0, done.output
    (hard, *_), (soft, *_) = (_table(study / "out" / f"{n}.csv") for n in ("dice", "soft_dice"))
    assert list(soft) == ["subject", "42", "3", "whole", "mean"]
    # Half of the overlap, over one and a half of the size.
    for label in ("3", "42"):
        assert float(soft[label]) == pytest.approx(float(hard[label]) * 2 / 3, abs=1e-5)


def test_background_is_no_structure_of_the_mean(study):
    done = _evaluate(study, study / "better", "--labels", "0,3,42")
    assert "s0: mean Dice 0.800 over 2 structures" in done.stdout


def test_labels_of_one_side_alone_are_said(study):
    for path in (study / "truth").iterdir():
        labels = np.asarray(nib.load(path).dataobj).copy()
        labels[0, 0, 0] = 77
        nib.save(nib.Nifti1Image(labels, np.eye(4)), path)
    done = _evaluate(study, study / "better")
    assert "not scored, because only the truth has them: labels 77" in done.stdout


def test_a_missing_answer_is_one_line_and_can_be_left_out(study):
    (study / "better" / "s2.nii.gz").unlink()
    done = _evaluate(study, study / "better")
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "s2.nii.gz" in done.stderr
    done = _evaluate(study, study / "better", "--partial")
    assert done.exit_code == 0
    assert "mean over 3 scans" in done.stdout


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_scored(study):
    (study / "taken").write_text("a file")
    done = _evaluate(study, study / "better", "--o", study / "taken" / "scores")
    assert done.exit_code == 2
    assert "taken" in done.stderr
    assert "mean over" not in done.stdout
