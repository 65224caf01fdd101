"""Training on Keras' JAX backend, by the script that needs no TensorFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from synthseg_trainer.config import load_settings
from synthseg_trainer.runs.checkpoints import checkpoint_folders, load_checkpoint, step_of
from synthseg_trainer.training import losses
from synthseg_trainer.training.loop import train

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "tools/train_jax.py"
RUN = """
store: {store}
optimizer: muon
network: {{stem: 2, features: 4, n_levels: 2, convs_per_level: 1, normalization: instance}}
generator:
  crop: {{shape: [32, 32, 32], placement: centred, jitter: 2}}
  elastic: {{squarings: 1}}
stages:
  - {{name: first, steps: 6, loss: dice_cross_entropy, learning_rate: 0.02}}
  - {{name: second, steps: {second}, loss: dice, final_learning_rate: 0.00001}}
average_decay: 0.5
validation: {{maps: [head_2], every_steps: 5, samples: 1}}
checkpoint_steps: 5
log_steps: 1
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def python() -> str:
    """A Python that has Keras and JAX, but need not have TensorFlow."""
    named = os.environ.get("SYNTHSEG_JAX_PYTHON")
    if named is None and importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed; SYNTHSEG_JAX_PYTHON may name one that has it")
    return named or sys.executable


def begin(python: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *map(str, words)], capture_output=True, text=True, timeout=600, check=False
    )


def losses_said(done: subprocess.CompletedProcess[str]) -> list[float]:
    assert done.returncode == 0, done.stderr[-2000:]
    words = [line.partition(": loss ")[2] for line in done.stdout.splitlines()]
    return [float(word.partition(",")[0]) for word in words if word]


def settings_file(folder: Path, store: Path, second: int = 4) -> Path:
    path = folder / "run.yaml"
    path.write_text(RUN.format(store=store, second=second))
    return path


def test_ten_steps_learn_and_are_the_same_in_one_call_and_in_many(
    python: str, tmp_path: Path, head_store: Path
) -> None:
    settings = settings_file(tmp_path, head_store)
    whole = begin(python, SCRIPT, settings, "--run", tmp_path / "whole")
    learned = losses_said(whole)
    assert len(learned) == 10
    assert learned[5] < learned[0]
    assert (tmp_path / "whole/best.npz").is_file()

    parts: list[float] = []
    while len(parts) < 10:
        # A call of no time takes one step.
        done = begin(python, SCRIPT, settings, "--run", tmp_path / "parts", "--minutes", "0")
        parts += losses_said(done)
    np.testing.assert_allclose(parts, learned, rtol=1e-3)
    assert [step_of(c) for c in checkpoint_folders(tmp_path / "parts")] == [8, 9, 10]


def test_a_run_goes_on_with_tensorflow_and_back(
    python: str, tmp_path: Path, head_store: Path
) -> None:
    run = tmp_path / "run"
    losses_said(begin(python, SCRIPT, settings_file(tmp_path, head_store), "--run", run))
    assert train(load_settings(settings_file(tmp_path, head_store, 6)), run, resume=True)
    longer = settings_file(tmp_path, head_store, 8)
    assert len(losses_said(begin(python, SCRIPT, longer, "--run", run))) == 2
    assert load_checkpoint(checkpoint_folders(run)[-1]).step == 14


def test_losses_are_those_of_the_trainer(python: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (200, 5)).astype(np.float32)
    target = rng.integers(0, 4, 200).astype(np.int32)
    np.savez(tmp_path / "in.npz", logits=logits, target=target)
    code = f"""
import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})
import numpy as np, train_jax
given = np.load({str(tmp_path / "in.npz")!r})
for dice, entropy in ((1, 0), (0, 1), (1, 1)):
    print(train_jax.sample_loss(given["logits"], given["target"], dice=dice, cross_entropy=entropy))
"""
    done = begin(python, "-c", code)
    assert done.returncode == 0, done.stderr[-2000:]
    wanted = [losses.dice_loss, losses.cross_entropy_loss, losses.dice_cross_entropy_loss]
    expected = [float(loss(tf.constant(logits), tf.constant(target))) for loss in wanted]
    np.testing.assert_allclose([float(w) for w in done.stdout.split()], expected, rtol=1e-5)


def test_what_the_script_does_not_know_is_refused_by_name(
    python: str, tmp_path: Path, head_store: Path
) -> None:
    path = settings_file(tmp_path, head_store)
    path.write_text(path.read_text().replace("loss: dice,", "loss: wl2,"))
    done = begin(python, SCRIPT, path, "--run", tmp_path / "run")
    assert done.returncode == 2
    assert "stage second: loss wl2" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
