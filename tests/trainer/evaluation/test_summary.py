from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from click.testing import Result
from loading import load_nifti


def test_background_is_no_structure_of_the_mean(
    study: Path, evaluate: Callable[..., Result]
) -> None:
    done = evaluate(study / "better", "--labels", "0,3,42")
    assert "s0: mean Dice 0.800 over 2 structures" in done.stdout


def test_labels_of_one_side_alone_are_said(
    study: Path, evaluate: Callable[..., Result], relabel: Callable[..., None]
) -> None:
    relabel("truth", (0, 0, 0), 77)
    relabel("better", (0, 0, 1), 78)
    done = evaluate(study / "better")
    assert "not scored, because only the truth has them: labels 77" in done.stdout
    assert "not scored, because only the answers have them: labels 78" in done.stdout


def test_labels_that_truth_and_methods_do_not_share_are_said_of_both(
    study: Path, evaluate: Callable[..., Result], relabel: Callable[..., None]
) -> None:
    relabel("truth", np.s_[0, 0, :2], (76, 77))
    relabel("better", (0, 0, 2), 78)
    relabel("worse", np.s_[0, 0, 1:4], (77, 0, 79))
    better, worse = study / "better", study / "worse"
    for first, second in ((better, worse), (worse, better)):
        said = evaluate(first, "--against", second).stdout
        assert "because only the truth has them: labels 76\n" in said
        assert f"because {better} has them, but the truth does not: labels 78" in said
        assert f"because {worse} has them, but the truth does not: labels 79" in said
        assert f"Dice 0, because {better} never has them: labels 77" in said


def test_distances_are_said_with_their_unit(study: Path, evaluate: Callable[..., Result]) -> None:
    said = evaluate(study / "better", "--distances").stdout.splitlines()
    assert said[0].startswith("s0: mean Dice 0.800 over 2 structures; HD100 1.00, HD99 1.00, ")
    assert said[0].endswith(" mm over 2 structures")
    assert said[4].startswith("mean over 4 scans: Dice 0.")
    assert said[4].endswith(" mm")
    assert " voxels" in evaluate(study / "better", "--distances", "--voxels").stdout


def test_structures_without_distances_are_not_counted(
    study: Path, evaluate: Callable[..., Result], relabel: Callable[..., None]
) -> None:
    empty = nib.Nifti1Image(np.zeros((14, 14, 14), np.int16), np.eye(4))
    nib.save(empty, study / "better" / "s0.nii.gz")
    path = study / "better" / "s1.nii.gz"
    labels = np.asarray(load_nifti(path).dataobj)
    nib.save(nib.Nifti1Image(np.where(labels == 3, 0, labels), np.eye(4)), path)
    said = evaluate(study / "better", "--distances").stdout.splitlines()
    assert said[0] == "s0: mean Dice 0.000 over 2 structures; no distances"
    assert "over 2 structures; HD100" in said[1]
    assert said[1].endswith("over 1 structure")


def test_all_that_is_measured_is_tested(study: Path, evaluate: Callable[..., Result]) -> None:
    said = evaluate(study / "better", "--against", study / "worse", "--distances").stdout
    for what in ("mean Dice 0.", "mean HD100 in mm 1.00", "mean surface distance in mm 0."):
        (line,) = (line for line in said.splitlines() if line.startswith(what))
        assert "Wilcoxon p = " in line


def test_one_scan_is_too_few_for_a_test(study: Path, evaluate: Callable[..., Result]) -> None:
    for path in sorted((study / "truth").iterdir())[1:]:
        path.unlink()
    options = ("--against", study / "worse")
    assert "nan" not in (said := evaluate(study / "better", *options).stdout)
    assert "on 1 scan, too few for a test" in said


def test_equal_methods_have_no_effect_size(study: Path, evaluate: Callable[..., Result]) -> None:
    said = evaluate(study / "truth", "--against", study / "truth").stdout
    assert "over 4 scans: Wilcoxon p = 1, Cohen's d undefined without spread" in said
