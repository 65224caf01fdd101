"""The whole path against outputs recorded from the unmodified original, with the same weights."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from loading import load_image
from synthseg_client.cli import main
from synthseg_client.embedded import EmbeddedServer, is_installed
from synthseg_common.arrays import AnyArray

pytestmark = pytest.mark.skipif(not is_installed(), reason="the serving extra is not installed")

# One voxel whose probability lies within rounding of a threshold may fall to the other side.
ONE_VOXEL_MM3 = 1.0
CASES = {
    "crop64/s2_pil_1x1x4": ("s2_pil_1x1x4.nii.gz", "--crop 64"),
    "crop64/s4_oblique_int16": ("s4_oblique_int16.nii.gz", "--crop 64"),
    "crop64/s6_lia_int16": ("s6_lia_int16.mgz", "--crop 64"),
    "crop64/s8_lps_tol": ("s8_lps_tol.nii.gz", "--crop 64"),
    "crop_3vals/s2": ("s2_pil_1x1x4.nii.gz", "--crop 40 64 80"),
    "fast/s4": ("s4_oblique_int16.nii.gz", "--crop 64 --fast"),
    "ct/s4": ("s4_oblique_int16.nii.gz", "--crop 64 --ct"),
}


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> Path:
    return shared_data / "reference/predict_v1"


@pytest.fixture(scope="session")
def server(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded server with the weights that the original was recorded with."""
    folder = tmp_path_factory.mktemp("random_v1")
    weights = shared_data / "reference/models/random_v1_weights.h5"
    command = [
        sys.executable,
        "-m",
        "synthseg_serving",
        "import-weights",
        str(weights),
        str(folder),
    ]
    subprocess.run([*command, "--labels", "v1"], check=True, capture_output=True)
    with EmbeddedServer(folder, cpu=True) as embedded:
        yield embedded.address


def _client(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


def _table(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    header, *rows = csv.reader(path.read_text().splitlines())
    return header, {row[0]: np.array(row[1:], float) for row in rows}


def _same_labels(found: Path, expected: Path) -> None:
    ours, theirs = load_image(found), load_image(expected)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-5)
    assert np.mean(np.asanyarray(ours.dataobj) == np.asanyarray(theirs.dataobj)) >= 0.999


def _same_posteriors(found: Path, expected: Path) -> None:
    ours, theirs = load_image(found), load_image(expected)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-5)
    error = np.abs(ours.get_fdata(dtype=np.float32) - theirs.get_fdata(dtype=np.float32))
    assert np.mean(error.max(axis=-1) <= 1e-3) >= 0.9999


def _same_volumes(found: Path, expected: Path, *, without: tuple[str, ...] = ()) -> None:
    header, rows = _table(found)
    expected_header, expected_rows = _table(expected)
    assert header == expected_header
    assert list(rows) == [name for name in expected_rows if name not in without]
    for name, volumes in rows.items():
        np.testing.assert_allclose(volumes, expected_rows[name], rtol=1e-3, atol=ONE_VOXEL_MM3)


@pytest.mark.parametrize("case", CASES)
def test_the_original_is_reproduced(recorded: Path, server: str, tmp_path: Path, case: str) -> None:
    scan, flags = CASES[case]
    outputs = {f"--{flag}": tmp_path / name for flag, name in _OUTPUTS.items()}
    words = [word for pair in outputs.items() for word in pair]
    run = _client(
        *("segment", "--i", recorded / "inputs" / scan, *flags.split(), *words), "--server", server
    )
    assert run.exit_code == 0, run.stderr
    expected = recorded / case
    _same_labels(outputs["--o"], expected / "seg.nii.gz")
    _same_posteriors(outputs["--post"], expected / "post.nii.gz")
    _same_volumes(outputs["--vol"], expected / "vol.csv")
    if (expected / "res.nii.gz").exists():
        ours, theirs = load_image(outputs["--resample"]), load_image(expected / "res.nii.gz")
        np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-5)
        values = theirs.get_fdata()
        np.testing.assert_allclose(ours.get_fdata(), values, atol=1e-3 * np.ptp(values))


_OUTPUTS = {"o": "seg.nii.gz", "post": "post.nii", "resample": "res.nii.gz", "vol": "vol.csv"}


def test_a_crop_that_is_no_multiple_of_32_is_rounded_up(
    recorded: Path, server: str, tmp_path: Path
) -> None:
    scan = recorded / "inputs/s1_las_1mm.nii.gz"
    out = tmp_path / "seg.nii.gz"
    run = _client("segment", "--i", scan, "--o", out, "--crop", 33, "--server", server)
    assert run.exit_code == 0, run.stderr
    _same_labels(out, recorded / "bad_crop33/seg.nii.gz")


def test_lists_are_followed_line_by_line(recorded: Path, server: str, tmp_path: Path) -> None:
    lists = {}
    for flag, name in (("--o", "out"), ("--post", "post"), ("--vol", "vol")):
        text = (recorded / "txt" / f"{name}.txt").read_text()
        lists[flag] = tmp_path / f"{name}.txt"
        lists[flag].write_text(text.replace("predict_v1/txt", str(tmp_path)))
    scans = tmp_path / "in.txt"
    scans.write_text(
        (recorded / "txt/in.txt").read_text().replace("predict_v1", str(recorded)) + "\r\n\n"
    )
    words = [word for pair in lists.items() for word in pair]
    run = _client("segment", "--i", scans, *words, "--crop", 64, "--server", server)
    assert run.exit_code == 0, run.stderr
    for name in ("a/one_seg.nii.gz", "b/two_seg.mgz"):
        _same_labels(tmp_path / name, recorded / "txt" / name)
    for name in ("a/one_post.nii.gz", "b/two_post.mgz"):
        _same_posteriors(tmp_path / name, recorded / "txt" / name)
    for name in ("a/one_vol.csv", "b/two_vol.csv"):
        _same_volumes(tmp_path / name, recorded / "txt" / name)


# What the original accepts, and what is refused here instead: a scan with NaN voxels (its row is
# all nan there; here they are set to 0), and a constant image (its labels mean nothing).
BETTER = ("b5_nan", "b6_constant")


def _arrays(path: Path) -> dict[str, AnyArray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def test_a_folder_of_odd_scans_is_treated_as_well_or_better(
    recorded: Path, server: str, tmp_path: Path
) -> None:
    run = _client(
        *("segment", "--i", recorded / "inputs_bad", "--o", tmp_path / "seg", "--crop", 64),
        *("--vol", tmp_path / "vol.csv", "--resample", tmp_path / "res", "--server", server),
    )
    assert run.exit_code == 1
    expected = recorded / "bad_folder"
    for path in sorted((expected / "seg").iterdir()):
        if path.suffix != ".npz" and not path.name.startswith(BETTER):
            _same_labels(tmp_path / "seg" / path.name, path)
    ours, theirs = (_arrays(f / "seg/b8_npz_synthseg.npz") for f in (tmp_path, expected))
    assert np.mean(ours["vol_data"] == theirs["vol_data"]) >= 0.999
    for path in sorted((expected / "res").iterdir()):
        np.testing.assert_allclose(
            load_image(tmp_path / "res" / path.name).affine, load_image(path).affine, atol=1e-5
        )
    header, rows = _table(tmp_path / "vol.csv")
    expected_header, expected_rows = _table(expected / "vol.csv")
    assert header == expected_header
    # Eight slices in NIfTI and twelve volumes work here and fail there.
    assert set(rows) - set(expected_rows) == {"b1_8slices", "b4_4d12"}
    assert set(expected_rows) - set(rows) == {"b6_constant"}
    for name in set(rows) & set(expected_rows) - set(BETTER):
        np.testing.assert_allclose(
            rows[name], expected_rows[name], rtol=1e-3, atol=ONE_VOXEL_MM3, err_msg=name
        )
    assert np.isfinite(rows["b5_nan"]).all()
    for name in ("b3_3slices", "b6_constant", "b9_garbage"):
        assert name in run.stderr
        assert not list((tmp_path / "seg").glob(f"{name}*"))
