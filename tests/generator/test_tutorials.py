"""The tutorials on generation run to their end and write what they promise."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from loading import load_nifti

RunTutorial = Callable[..., Path]

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunTutorial:
    """A function that runs a tutorial as a script, on small crops of invented heads."""

    def run_tutorial(name: str, *arguments: object) -> Path:
        monkeypatch.syspath_prepend(TUTORIALS)
        options = ["--output", str(tmp_path), "--crop", "24", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", [name, *options])
        runpy.run_path(str(TUTORIALS / name), run_name="__main__")
        return tmp_path

    return run_tutorial


def pictures(folder: Path) -> list[str]:
    found = sorted(folder.glob("*.png"))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)
    return [path.stem for path in found]


def test_the_first_shows_and_writes_scans(run: RunTutorial) -> None:
    folder = run("1_visualise.py")
    assert pictures(folder) == ["samples", "stages"]
    image, labels = sorted((folder / "scans").glob("sample-00001_*.nii.gz"))
    assert load_nifti(image).shape == load_nifti(labels).shape == (24, 24, 24)


def test_the_second_draws_a_picture_of_every_group(
    run: RunTutorial, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = pictures(run("2_parameters.py"))
    assert {"released", "without_deformation", "flat_labels", "thick_slices"} <= set(shown)
    assert "released.png" in capsys.readouterr().out


def test_the_fourth_makes_known_contrasts_and_resolutions(
    run: RunTutorial, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run("4_advanced.py")
    assert pictures(folder) == ["mixed_with_random", "one_contrast", "one_resolution"]
    (image,) = (folder / "two_channels").glob("*_image.nii.gz")
    assert load_nifti(image).shape == (24, 24, 24, 2)
    assert "at 2 mm: (12, 12, 12)" in capsys.readouterr().out


def test_the_fifth_estimates_priors(run: RunTutorial, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run("5_intensity_priors.py")
    assert pictures(folder) == ["with_estimated_priors"]
    assert (folder / "priors" / "mixture.yaml").exists()
    assert "differ by a factor of 1.4826" in capsys.readouterr().out


def test_the_fifth_takes_scans_of_ones_own(
    run: RunTutorial, tmp_path: Path, shared_data: Path
) -> None:
    folder = shared_data / "reference" / "priors"
    run("5_intensity_priors.py", "--scans", folder / "im", "--scan-labels", folder / "lab")
    assert not (tmp_path / "scans").exists()
