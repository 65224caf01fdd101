import dataclasses
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, cast

import numpy as np
import pytest
import tensorflow as tf
from synthseg_generator.errors import GeneratorError
from synthseg_trainer.aliases import Batch
from synthseg_trainer.config import Stage, TrainSettings
from synthseg_trainer.errors import CheckpointError, OutageError, TrainerError
from synthseg_trainer.network.bundle import load_bundle
from synthseg_trainer.runs.best import BEST
from synthseg_trainer.runs.checkpoints import checkpoint_folders, latest_checkpoint
from synthseg_trainer.training.held_out import HeldOutScores
from synthseg_trainer.training.loop import check_health, run_training, train
from synthseg_trainer.training.sources import BatchSource
from synthseg_trainer.training.state import Training
from synthseg_trainer.training.step import StepResult, TrainStep
from typed import there


def test_a_run_ends_with_a_checkpoint_of_its_last_step(
    settings: TrainSettings, finished_run: Path
) -> None:
    assert there(latest_checkpoint(finished_run)).step == settings.total_steps


def test_a_run_writes_tensorboard_scalars(finished_run: Path) -> None:
    assert list((finished_run / "logs").glob("events.*"))


def test_training_changes_weights_and_moving_statistics(finished_run: Path) -> None:
    first, *_, last = checkpoint_folders(finished_run)
    before, after = (load_bundle(folder / "model.npz").weights for folder in (first, last))
    for name in ("unet_conv_downarm_0_0/kernel", "unet_bn_down_0/moving_mean"):
        assert np.any(before[name] != after[name])


class _Told(Training):
    """Gets SIGTERM while it takes a step: the next one is its last."""

    def __init__(self, settings: TrainSettings, run: Path, step: int) -> None:
        super().__init__(settings, run, resume=True)
        self.told_at = step
        self.saved: list[int] = []

    def make_step(self, stage: Stage, source: BatchSource) -> TrainStep:
        return _TellingStep(self, stage, source)

    def save(self) -> None:
        self.saved.append(self.step)
        super().save()


class _TellingStep(TrainStep):
    """Takes a step, and sends SIGTERM where its run is to be told."""

    def __init__(self, run: _Told, stage: Stage, source: BatchSource) -> None:
        super().__init__(run.settings, stage, source, run.learner)
        self._run = run

    def __call__(self, batch: Batch, asked: bool = False) -> StepResult:
        result = super().__call__(batch, asked)
        if self._run.step + 1 == self._run.told_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return result


def test_a_run_told_to_stop_goes_on_to_the_same_network_to_the_bit(
    settings: TrainSettings, finished_run: Path, tmp_path: Path
) -> None:
    """SIGTERM in the second stage; moving statistics, optimizer and averaged weights too.

    Told again when only the last step is left, it ends as any other.
    """
    run = tmp_path / "run"
    assert not run_training(_Told(settings, run, 2))
    assert there(latest_checkpoint(run)).state["next_sample"] == 3 * settings.batch_size
    assert run_training(_Told(settings, run, 4))
    expected, found = (there(latest_checkpoint(folder)) for folder in (finished_run, run))
    assert found.state == expected.state
    for name, value in expected.bundle.weights.items():
        np.testing.assert_array_equal(found.bundle.weights[name], value)
    for value, other in zip(expected.optimizer, found.optimizer, strict=True):
        np.testing.assert_array_equal(value, other)
    assert _scores(run) == _scores(finished_run)


def _scores(run: Path) -> tuple[dict[tuple[int, str], str], object, int]:
    """What TensorBoard shows of the held-out maps, and the score of the best network."""
    found = {}
    for path in (run / "logs").glob("events.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag.startswith("dice/"):
                    found[event.step, value.tag] = str(tf.make_ndarray(value.tensor))
    best = load_bundle(run / BEST).info
    return found, best["validation"], best["training"]["step"]


def test_a_run_told_to_stop_is_saved_once_and_scored_when_it_goes_on(
    settings: TrainSettings, finished_run: Path, tmp_path: Path
) -> None:
    """At a step that is due for both: whoever asks may not wait for a score."""
    run = tmp_path / "run"
    training = _Told(settings, run, 3)
    assert not run_training(training)
    assert training.saved == [2, 4]
    assert not (run / BEST).exists()
    assert train(settings, run, resume=True)
    assert _scores(run) == _scores(finished_run)
    assert {step for step, _ in _scores(run)[0]} == {4, 5}


def test_a_file_in_the_place_of_the_run_is_refused(settings: TrainSettings, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.touch()
    with pytest.raises(CheckpointError, match="run cannot be written: there is a file of that"):
        train(settings, run)


def test_what_a_later_stage_asks_in_vain_is_refused_before_the_first_step(
    settings: TrainSettings, tmp_path: Path
) -> None:
    first, second = settings.stages
    wrong = dataclasses.replace(second.generator, map_weights=(("nobody", 1.0),))
    later = dataclasses.replace(
        settings, stages=(first, dataclasses.replace(second, generator=wrong))
    )
    with pytest.raises(GeneratorError, match="has no map nobody"):
        train(later, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_map_that_cannot_be_read_ends_a_run_with_its_name(
    settings: TrainSettings, tmp_path: Path
) -> None:
    store = tmp_path / "heads.zarr"
    shutil.copytree(settings.store, store)
    for name in ("head_0", "head_1"):
        shutil.rmtree(store / name / "c")
    with pytest.raises(TrainerError, match=r"^a sample could not be made: .*head_[01].*[^\n]*$"):
        train(dataclasses.replace(settings, store=str(store)), tmp_path / "run")


@pytest.mark.parametrize(("checkpoint_steps", "advised"), [(1, True), (1000, False)])
def test_a_loss_that_is_not_finite_names_the_sample_and_a_checkpoint_that_there_is(
    settings: TrainSettings, tmp_path: Path, checkpoint_steps: int, advised: bool
) -> None:
    wild = dataclasses.replace(
        settings.stages[1], learning_rate=1e30, final_learning_rate=None, steps=20
    )
    said = (
        r"the (loss|gradient) of step \d+ \(stage second\) is not finite: "
        r"sample \d+, made from map head_[01], written by `synthseg-generator generate .*"
        r" --first \d+ --samples 1 --without head_2`"
    )
    changed = dataclasses.replace(settings, stages=(wild,), checkpoint_steps=checkpoint_steps)
    with pytest.raises(TrainerError, match=said) as caught:
        train(changed, tmp_path)
    assert ("The last checkpoint is from before" in str(caught.value)) == advised
    assert bool(checkpoint_folders(tmp_path)) == advised


@pytest.mark.parametrize("lost_in", ["save", "validate", "batches"])
def test_what_is_lost_around_a_step_is_an_outage_as_in_it(
    settings: TrainSettings, tmp_path: Path, lost_in: str
) -> None:
    """TensorFlow tells of a lost machine wherever it computes next."""

    class Lost(Training):
        def _lose(self) -> None:
            if self.step >= 2:
                raise tf.errors.UnavailableError(None, None, "Socket closed")

        def save(self) -> None:
            if lost_in == "save":
                self._lose()
            super().save()

        def validate(self) -> HeldOutScores | None:
            if lost_in == "validate":
                self._lose()
            return super().validate()

        def batches(self, source: BatchSource) -> Iterator[Batch]:
            for batch in super().batches(source):
                if lost_in == "batches":
                    self._lose()
                yield batch

    with pytest.raises(OutageError, match=r"step \d could not be done: Unavailable, Socket closed"):
        run_training(Lost(settings, tmp_path / "run"))


@pytest.mark.parametrize(("normalization", "shared"), [("batch", True), ("instance", False)])
def test_with_shared_statistics_the_sample_may_be_another_machine_s(
    settings: TrainSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    normalization: Literal["batch", "instance"],
    shared: bool,
) -> None:
    cluster = {"worker": ["a:1", "b:1"]}
    described = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(described))
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    network = dataclasses.replace(settings.network, normalization=normalization)
    # A real run of two machines would wait for the other one.
    run = SimpleNamespace(
        settings=dataclasses.replace(settings, batch_size=4, network=network),
        strategy=SimpleNamespace(cluster_resolver=resolver),
        run=tmp_path,
        step=6,
    )
    training = cast("Training", run)
    source = cast("BatchSource", SimpleNamespace(describe=lambda k, run: f"sample {k}"))
    result = StepResult(float("nan"), False, {24: float("nan")}, (24,), stop=False)
    with pytest.raises(TrainerError, match=r"is not finite: sample 24") as caught:
        check_health(training, settings.stages[0], source, result)
    elsewhere = "; or one of another machine, since batch normalisation shares its statistics"
    assert (elsewhere in str(caught.value)) == shared
    assert ("samples 24 to 27 are the step's" in str(caught.value)) == shared
