"""The tutorials on generation run to their end and write what they promise."""

import runpy
import sys
from pathlib import Path

import nibabel as nib
import pytest

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that runs a tutorial as a script, on small crops of invented heads."""

    def run_tutorial(name, *arguments):
        monkeypatch.syspath_prepend(TUTORIALS)
        options = ["--output", str(tmp_path), "--crop", "24", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", [name, *options])
        runpy.run_path(str(TUTORIALS / name), run_name="__main__")
        return tmp_path

    return run_tutorial


def pictures(folder):
    found = sorted(folder.glob("*.png"))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)
    return [path.stem for path in found]


def test_the_first_shows_and_writes_scans(run) -> None:
    folder = run("1_visualise.py")
    assert pictures(folder) == ["samples", "stages"]
    image, labels = sorted((folder / "scans").glob("sample-00001_*.nii.gz"))
    assert nib.load(image).shape == nib.load(labels).shape == (24, 24, 24)


def test_the_second_draws_a_picture_of_every_group(run, capsys: pytest.CaptureFixture[str]) -> None:
    shown = pictures(run("2_parameters.py"))
    assert {"released", "without_deformation", "flat_labels", "thick_slices"} <= set(shown)
    assert "released.png" in capsys.readouterr().out


def test_the_fourth_makes_known_contrasts_and_resolutions(
    run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run("4_advanced.py")
    assert pictures(folder) == ["mixed_with_random", "one_contrast", "one_resolution"]
    (image,) = (folder / "two_channels").glob("*_image.nii.gz")
    assert nib.load(image).shape == (24, 24, 24, 2)
    assert "at 2 mm: (12, 12, 12)" in capsys.readouterr().out


def test_the_fifth_estimates_priors(run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run("5_intensity_priors.py")
    assert pictures(folder) == ["with_estimated_priors"]
    assert (folder / "priors" / "mixture.yaml").exists()
    assert "differ by a factor of 1.4826" in capsys.readouterr().out


def test_the_fifth_takes_scans_of_ones_own(run, tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "reference" / "priors"
    run("5_intensity_priors.py", "--scans", folder / "im", "--scan-labels", folder / "lab")
    assert not (tmp_path / "scans").exists()
