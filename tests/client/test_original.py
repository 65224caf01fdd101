"""Cases that were not recorded, against the original's steps written down again (`original`)."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import original
import pytest
from click.testing import CliRunner
from loading import load_image
from scipy.ndimage import gaussian_filter
from synthseg_client.cli import main
from synthseg_client.embedded import EmbeddedServer, is_installed
from synthseg_common.arrays import AnyArray

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="the serving extra is not installed"),
]


Plain = tuple[Callable[[AnyArray], AnyArray], original.Labels]


@dataclass(frozen=True)
class Case:
    """A scan to make up, and how to segment it."""

    sizes: tuple[float, float, float]
    shape: tuple[int, ...]
    axes: tuple[int, int, int] = (1, 2, 3)  # minus: runs the other way
    tilt_deg: float = 0.0
    suffix: str = ".nii.gz"
    dtype: str = "f4"
    crop: tuple[int, ...] = ()
    fast: bool = False
    ct: bool = False


CASES = {
    "no crop": Case((1, 1, 1), (70, 90, 60), (-1, 2, 3)),
    "no crop, fast": Case((1, 1, 1), (70, 50, 60), (-3, 1, 2), fast=True),
    "down from 0.7": Case((0.7, 0.7, 0.7), (88, 80, 90), (1, -3, -2), crop=(32,)),
    "0.7 and 3": Case((0.7, 3, 0.7), (80, 20, 70), (2, 3, 1), crop=(64, 32, 64)),
    "thick tilted": Case((1, 1, 5), (60, 70, 14), (-1, -2, 3), 25, crop=(64,)),
    "half a right angle": Case((1, 1, 1), (50, 60, 70), (1, 2, 3), 45, crop=(64,)),
    "half, resampled": Case((0.8, 0.8, 0.8), (60, 60, 70), (-1, 2, 3), 45, crop=(32,)),
    "beyond half": Case((2, 2, 2), (30, 30, 34), (1, 2, 3), 52, crop=(32,)),
    "three volumes": Case((2, 2, 2), (30, 36, 32, 3), (-2, -3, 1), crop=(64,)),
    "lower bound": Case((0.95, 1, 1), (50, 50, 50), crop=(32,)),
    "upper bound": Case((1.05, 1.05, 1.05), (50, 50, 50), crop=(32,)),
    "npz": Case((1, 1, 1), (40, 50, 60), suffix=".npz", crop=(64,), fast=True),
    "nii": Case((1, 1, 2), (40, 40, 30), (1, 2, -3), 0, ".nii", "u1", crop=(32,)),
    "mgz": Case((1.5, 1, 1), (30, 50, 40), (3, -1, 2), suffix=".mgz", crop=(33,)),
    "eight thick slices": Case((1, 1, 6), (48, 56, 8), suffix=".mgz", crop=(64,)),
    "CT": Case((0.6, 0.6, 2.5), (90, 96, 20), dtype="i2", crop=(64,), ct=True),
    "one side cut": Case((1, 1, 1), (100, 40, 61), (2, 1, -3), crop=(32, 96, 64)),
}


@pytest.fixture(scope="module")
def weights(shared_data: Path) -> Path:
    return shared_data / "reference/models/random_v1_weights.h5"


@pytest.fixture(scope="module")
def server(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("random_v1")
    command = [sys.executable, "-m", "synthseg_serving", "import-weights"]
    command += [str(weights), str(folder)]
    subprocess.run([*command, "--labels", "v1"], check=True, capture_output=True)
    with EmbeddedServer(folder, cpu=True) as embedded:
        yield embedded.address


@pytest.fixture(scope="module")
def plain(weights: Path) -> Plain:
    """The plain Keras network, and what its channels mean."""
    import tensorflow as tf
    from synthseg_serving.official.export import read_official
    from synthseg_trainer.network.bundle import assign_weights
    from synthseg_trainer.network.unet import build_unet

    bundle = read_official(weights)
    model = build_unet(bundle.network)
    assign_weights(model, bundle.weights)

    network = tf.function(
        lambda volume: tf.nn.softmax(model(volume[None, ..., None], training=False))[0],
        input_signature=[tf.TensorSpec([None] * 3)],
    )
    table = bundle.labels
    arrays = (table.values, table.flip_channels, table.topology_classes)
    labels = original.Labels(*map(np.array, arrays))
    return lambda volume: network(np.ascontiguousarray(volume, np.float32)).numpy(), labels


def _write(case: Case, folder: Path) -> Path:
    rng = np.random.default_rng([round(100 * v) for v in (*case.sizes, *case.shape)])
    image = gaussian_filter(rng.normal(size=case.shape), [2, 2, 2, 0][: len(case.shape)])
    image = (image - image.min()) / np.ptp(image) * 200
    angle = np.deg2rad(case.tilt_deg)
    rotation = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    columns = [rotation[:, abs(a) - 1] * np.sign(a) for a in case.axes]
    affine[:3, :3] = np.stack(columns, axis=1) * case.sizes
    affine[:3, 3] = -40.3, 12.8, 5.1
    path = folder / f"scan{case.suffix}"
    if case.suffix == ".npz":
        np.savez(path, vol_data=image)
    elif case.suffix == ".mgz":
        nib.save(nib.MGHImage(image.astype(case.dtype), affine), path)
    else:
        nib.save(nib.Nifti1Image(image.astype(case.dtype), affine), path)
    return path


def _read(path: Path) -> np.ndarray:
    return (
        np.load(path)["vol_data"] if path.suffix == ".npz" else np.asarray(load_image(path).dataobj)
    )


def _same_volumes(found: np.ndarray, expected: np.ndarray) -> None:
    """All but one within 0.1 % or a voxel: one whose probability lies within rounding of a
    threshold may join two pieces of a structure, since random weights answer no smooth ones.
    """
    same = np.isclose(found, expected, rtol=1e-3, atol=1)
    assert np.sum(~same) <= 1
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=1)


@pytest.mark.parametrize("name", CASES)
def test_any_case_comes_out_as_in_the_original(
    server: str, plain: Plain, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    scan = _write(case, tmp_path)
    words = ["--fast"] * case.fast + ["--ct"] * case.ct
    words += ["--crop", *(map(str, case.crop) if case.crop else ["none"])]
    for flag, kind in (("--o", "seg"), ("--post", "post"), ("--resample", "res")):
        words += [flag, str(tmp_path / f"{kind}{case.suffix}")]
    words += ["--vol", str(tmp_path / "vol.csv"), "--server", server]
    run = CliRunner().invoke(main, ["segment", "--i", str(scan), *words])
    assert run.exit_code == 0, run.stderr
    network, labels = plain
    expected = original.predict(
        scan, network, labels, crop=list(case.crop) or None, fast=case.fast, ct=case.ct
    )
    found = _read(tmp_path / f"seg{case.suffix}")
    assert found.shape == expected.labels.shape
    assert np.mean(found == expected.labels) >= 0.999
    posteriors = _read(tmp_path / f"post{case.suffix}")
    assert np.mean(np.abs(posteriors - expected.posteriors).max(axis=-1) <= 1e-3) >= 0.9999
    row = list(csv.reader((tmp_path / "vol.csv").read_text().splitlines()))[1]
    assert row[0] == scan.name.replace(".nii.gz", "")
    _same_volumes(np.array(row[1:], float), expected.volumes)
    if case.suffix != ".npz":
        affine = load_image(tmp_path / f"seg{case.suffix}").affine
        np.testing.assert_allclose(affine, expected.affine, atol=1e-5)
    assert (tmp_path / f"res{case.suffix}").exists() == expected.resampled
    if expected.resampled:
        image = _read(tmp_path / f"res{case.suffix}")
        np.testing.assert_allclose(image, expected.image, atol=1e-3 * np.ptp(expected.image))
