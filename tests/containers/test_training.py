"""A training that is killed in its container goes on there, to the same end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from images import docker, exit_code, run, running
from nifti_files import save_volume
from synthseg_trainer.runs.checkpoints import Checkpoint, latest_checkpoint
from typed import there

pytestmark = pytest.mark.containers

SETTINGS = """
store: /data/heads.zarr
precision: float32
network: {stem: 2, features: 4, n_levels: 2, convs_per_level: 1}
generator:
  crop: {shape: [32, 32, 32], placement: centred, jitter: 2}
  elastic: {squarings: 1}
stages:
  - {name: only, steps: 120, loss: dice_cross_entropy, learning_rate: 0.01}
average_decay: 0.9
validation: {maps: [head_2], every_steps: 60, samples: 1}
checkpoint_steps: 10
log_steps: 10
"""


@pytest.fixture(scope="module")
def data(
    tmp_path_factory: pytest.TempPathFactory,
    image: Callable[[str], str],
    make_head: Callable[..., np.ndarray],
) -> Path:
    """A folder with settings, and a store that the generator's container made."""
    folder = tmp_path_factory.mktemp("data")
    for number, size in enumerate((1.0, 0.9, 0.95)):
        save_volume(folder / "maps" / f"head_{number}.nii.gz", make_head((40, 44, 42), size=size))
    (folder / "train.yaml").write_text(SETTINGS)
    folder.chmod(0o777)
    words = ("synthseg-generator", "ingest", "/data/maps", "/data/heads.zarr")
    run(image("synthseg-generator"), *words, options=_options(folder))
    return folder


def test_goes_on_after_signals_to_the_same_network_to_the_bit(
    image: Callable[[str], str], data: Path
) -> None:
    trainer = image("synthseg-trainer")
    run(trainer, *_train("whole"), options=_options(data))
    for signal, code, step in (("TERM", 143, 10), ("KILL", 137, 50)):
        with running(trainer, *_train("killed"), options=_options(data)) as container:
            _wait_for_step(data / "killed", step, container)
            docker("kill", "--signal", signal, container)
            assert exit_code(container) == code, docker("logs", container).stderr[-2000:]
        assert there(latest_checkpoint(data / "killed")).step < 120
    run(trainer, *_train("killed"), options=_options(data))
    whole, killed = (there(latest_checkpoint(data / name)) for name in ("whole", "killed"))
    assert killed.state == whole.state
    _assert_equal(killed, whole)


def _assert_equal(found: Checkpoint, expected: Checkpoint) -> None:
    for name, value in expected.bundle.weights.items():
        np.testing.assert_array_equal(found.bundle.weights[name], value)
    for value, other in zip(expected.optimizer, found.optimizer, strict=True):
        np.testing.assert_array_equal(value, other)


def _train(name: str) -> tuple[str, ...]:
    return ("train", "/data/train.yaml", "--run", f"/data/{name}", "--resume")


def _options(data: Path) -> tuple[str, ...]:
    return ("--network", "none", "--user", "1234:1234", "-v", f"{data}:/data")


def _wait_for_step(folder: Path, step: int, container: str, limit_s: float = 300) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if (folder / "checkpoints" / f"step-{step:08d}").is_dir():
            return
        time.sleep(0.1)
    raise AssertionError(f"no step {step}: {docker('logs', container).stderr[-2000:]}")
