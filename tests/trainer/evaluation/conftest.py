"""A label map; segmentations of two methods, and the command that scores them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from loading import load_nifti
from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.cli import main


@pytest.fixture
def labels() -> LabelArray:
    """A label map of two halves, `[12, 14, 16]`."""
    volume = np.zeros((12, 14, 16), np.int32)
    volume[2:6, 3:11, 4:12] = 3
    volume[6:10, 3:11, 4:12] = 42
    return volume


@pytest.fixture
def study(tmp_path: Path) -> Path:
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


@pytest.fixture
def evaluate(study: Path) -> Callable[..., Result]:
    """A function that runs the command on the study's truth."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["evaluate", str(study / "truth"), *map(str, arguments)])

    return run


@pytest.fixture
def relabel(study: Path) -> Callable[..., None]:
    """A function that gives another label to a part of all maps of a method, or of the truth."""

    def change(method: str, place: Any, label: int) -> None:
        for path in (study / method).iterdir():
            labels = np.asarray(load_nifti(path).dataobj).copy()
            labels[place] = label
            nib.save(nib.Nifti1Image(labels, np.eye(4)), path)

    return change
