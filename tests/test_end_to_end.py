"""Label maps in, a trained network served, a scan segmented through the real gRPC channel.

Each part is its installed command in a process of its own. The network is tiny and learns one
contrast of a head of ellipsoids, enough to tell whether labels end where the scan shows them.
"""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from loading import load_nifti
from scipy import ndimage
from synthseg_common.labels import GENERATION_V2, SYNTHSEG_V2
from two_readers import place_of
from typed import there

COMMANDS = Path(sys.executable).parent
REPOSITORY = Path(__file__).resolve().parents[1]
# Mean intensity of each label; far enough apart to be learnt in seconds.
INTENSITY = {0: 0.0, 516: 25.0, 24: 50.0, 3: 100.0, 42: 150.0, 2: 200.0, 41: 250.0}
# Crops hold the whole head: each is normalised by itself, as a scan is when it is segmented.
HEAD_SHAPE = (32, 32, 32)
STEPS = 300
VOXEL_MM = (1.1, 0.9, 3.0)
SCAN_SHAPE = (44, 50, 16)


@dataclass(frozen=True)
class Outcome:
    """Files of one segmentation, and what is true about the head that was scanned."""

    scan: Path
    labels: Path
    volumes: Path
    truth: np.ndarray
    truth_affine: np.ndarray
    messages: str


def run(command: str, *arguments: object, timeout_s: float = 1500) -> str:
    done = subprocess.run(
        [COMMANDS / command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def simplified(labels: np.ndarray) -> np.ndarray:
    """The head with the structures of `INTENSITY` alone; the others become CSF."""
    return np.where(np.isin(labels, list(INTENSITY)), labels, 24).astype(np.int32)


def training_settings() -> dict[str, object]:
    means = [[100.0, 0.0]] * GENERATION_V2.n_classes
    for value, mean in INTENSITY.items():
        means[GENERATION_V2.classes[GENERATION_V2.values.index(value)]] = [mean, 2.0]
    return {
        "network": {"n_levels": 2, "features": 12},
        "generator": {
            "crop": {"shape": list(HEAD_SHAPE)},
            # Left and right are told apart by intensity here, which a flip would contradict.
            "flip_probability": 0.0,
            "elastic": {"strength": [0, 1]},
            "mixture": {
                "specific_means": [{"distribution": "normal", "rows": means}],
                "specific_stds": [{"distribution": "uniform", "rows": [[0.0, 5.0]]}],
            },
            "bias_field": {"strength": [0, 0.1]},
            "gamma_std": 0.05,
            "acquisition": {"max_isotropic_mm": 1.5, "max_anisotropic_mm": 3.0},
        },
        "stages": [
            {
                "name": "one contrast",
                "steps": STEPS,
                "loss": "cross_entropy",
                "learning_rate": 0.01,
                "final_learning_rate": 0.001,
            }
        ],
        "checkpoint_steps": 1000,
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, make_head: Callable[..., np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("store")
    maps = folder / "maps"
    maps.mkdir()
    for name, size in (("large", 1.0), ("small", 0.9)):
        labels = simplified(make_head(HEAD_SHAPE, size=size))
        nib.save(nib.Nifti1Image(labels.astype(np.int16), np.eye(4)), maps / f"{name}.nii.gz")
    run("synthseg-generator", "ingest", maps, folder / "labels.zarr", "--workers", 1)
    return folder / "labels.zarr"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "train.yaml").write_text(yaml.safe_dump(training_settings()))
    run(
        "synthseg-trainer",
        "train",
        folder / "train.yaml",
        "--store",
        store,
        "--run",
        folder / "run",
    )
    run("synthseg-serving", "export", folder / "run", folder / "synthseg")
    return folder / "synthseg"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[str]:
    command = [str(COMMANDS / "synthseg-serving"), "serve", str(model), "--address", "localhost:0"]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert child.stdout is not None
        ready = child.stdout.readline()
        assert ready, log.read_text()[-4000:]
        yield json.loads(ready)["address"]
        child.send_signal(signal.SIGTERM)
        assert child.wait(300) == 0, log.read_text()[-4000:]
    finally:
        child.kill()
        child.wait()
        there(child.stdout).close()


@pytest.fixture(scope="module")
def outcome(
    tmp_path_factory: pytest.TempPathFactory, server: str, make_head: Callable[..., np.ndarray]
) -> Outcome:
    folder = tmp_path_factory.mktemp("scan")
    truth = simplified(make_head(HEAD_SHAPE, size=0.95))
    truth_affine = nib.affines.from_matvec(np.eye(3), [-20.0, 15.0, 40.0])
    write_oblique_scan(folder / "scan.nii.gz", truth, truth_affine)
    messages = run(
        "synthseg-client",
        "segment",
        *("--i", folder / "scan.nii.gz", "--o", folder / "labels.nii.gz"),
        *("--vol", folder / "volumes.csv", "--server", server, "--fast"),
    )
    return Outcome(
        folder / "scan.nii.gz",
        folder / "labels.nii.gz",
        folder / "volumes.csv",
        truth,
        truth_affine,
        messages,
    )


def write_oblique_scan(path: Path, labels: np.ndarray, affine: np.ndarray) -> None:
    """A scan of the head in tilted sagittal slices of 3 mm, axes posterior, inferior, left."""
    angles = np.deg2rad([12.0, -9.0])
    about_x = np.array(
        [
            [1, 0, 0],
            [0, np.cos(angles[0]), -np.sin(angles[0])],
            [0, np.sin(angles[0]), np.cos(angles[0])],
        ]
    )
    about_z = np.array(
        [
            [np.cos(angles[1]), -np.sin(angles[1]), 0],
            [np.sin(angles[1]), np.cos(angles[1]), 0],
            [0, 0, 1],
        ]
    )
    axes = np.array([[0, 0, -1], [-1, 0, 0], [0, -1, 0]])
    linear = about_z @ about_x @ axes @ np.diag(VOXEL_MM)
    shape = np.array(SCAN_SHAPE)
    middle = nib.affines.apply_affine(affine, (np.array(labels.shape) - 1) / 2)
    scan_affine = nib.affines.from_matvec(linear, middle - linear @ ((shape - 1) / 2))
    bright = np.vectorize(INTENSITY.get, otypes=[np.float32])(labels)
    # Six sub-slices per slice, averaged: a slice holds all that lies in its 3 mm.
    finer = nib.affines.from_matvec(np.diag([1, 1, 1 / 6]), [0, 0, (1 / 6 - 1) / 2])
    matrix = np.linalg.inv(affine) @ scan_affine @ finer
    fine = ndimage.affine_transform(
        bright, matrix, output_shape=(*shape[:2], shape[2] * 6), order=1
    )
    slices = fine.reshape(*shape, 6).mean(-1)
    nib.save(nib.Nifti1Image(slices.astype(np.float32), scan_affine), path)


def truth_on(outcome: Outcome, image: nib.Nifti1Image) -> np.ndarray:
    """The true labels at the voxels of another image; those that the network cannot name are 0."""
    matrix = np.linalg.inv(outcome.truth_affine) @ image.affine
    truth = ndimage.affine_transform(outcome.truth, matrix, output_shape=image.shape, order=0)
    return np.where(truth == 516, 0, truth)


def test_labels_keep_the_scan_s_axes_and_place_at_1_mm(outcome: Outcome) -> None:
    scan, labels = load_nifti(outcome.scan), load_nifti(outcome.labels)
    assert nib.aff2axcodes(scan.affine) == ("P", "I", "L")
    assert nib.aff2axcodes(labels.affine) == ("P", "I", "L")
    np.testing.assert_allclose(labels.header.get_zooms(), 1, atol=1e-4)
    directions = scan.affine[:3, :3] / VOXEL_MM
    np.testing.assert_allclose(labels.affine[:3, :3], directions, atol=1e-4)
    np.testing.assert_allclose(labels.shape, np.multiply(scan.shape, VOXEL_MM), atol=1.01)
    corner = (-0.5, -0.5, -0.5)
    np.testing.assert_allclose(
        place_of(outcome.labels, corner), place_of(outcome.scan, corner), atol=1e-3
    )


def test_labels_are_integers_of_the_model_s_table(outcome: Outcome) -> None:
    image = load_nifti(outcome.labels)
    assert image.get_data_dtype().kind in "iu"
    assert set(np.unique(np.asarray(image.dataobj))) <= set(SYNTHSEG_V2.values)


@pytest.mark.parametrize("value", [2, 41, 3, 42])
def test_structures_lie_where_the_scan_shows_them(outcome: Outcome, value: int) -> None:
    image = load_nifti(outcome.labels)
    found, truth = np.asarray(image.dataobj) == value, truth_on(outcome, image) == value
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.6
    centres = [place_of(outcome.labels, ndimage.center_of_mass(mask)) for mask in (found, truth)]
    assert np.linalg.norm(centres[0] - centres[1]) < 2


def test_volumes_table_has_a_row_per_scan_and_agrees_with_the_labels(outcome: Outcome) -> None:
    with outcome.volumes.open(newline="") as file:
        header, *rows = csv.reader(file)
    names = [SYNTHSEG_V2.names[i] for i in range(1, len(SYNTHSEG_V2))]
    assert header == ["subject", "total intracranial", *names]
    (row,) = rows
    assert row[0] == "scan"
    volumes = dict(zip(header[1:], map(float, row[1:]), strict=True))
    assert volumes["total intracranial"] == pytest.approx(sum(volumes[n] for n in names), rel=1e-4)
    labels = np.asarray(load_nifti(outcome.labels).dataobj)
    for value in (2, 41, 3, 42):
        name = SYNTHSEG_V2.names[SYNTHSEG_V2.values.index(value)]
        assert volumes[name] == pytest.approx((labels == value).sum(), rel=0.25)


def test_an_implausibly_small_brain_is_said_to_be_one(outcome: Outcome) -> None:
    assert "no plausible brain" in outcome.messages


def test_training_settings_of_the_cluster_fit_the_trainer(store: Path) -> None:
    from synthseg_trainer.config import load_settings

    settings = load_settings(REPOSITORY / "k8s/base/training/train.yaml", store=str(store))
    assert settings.network.n_labels == len(SYNTHSEG_V2)
