import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_generator.feed.samples import Shard
from synthseg_generator.settings.generator import BiasField, Mixture, Prior, Uniform
from synthseg_trainer.aliases import Batch
from synthseg_trainer.config import LossWeights, TrainSettings, load_settings
from synthseg_trainer.training.learner import Learner
from synthseg_trainer.training.sources import BatchSource
from synthseg_trainer.training.state import Training
from synthseg_trainer.training.step import StepResult

RUN = """
store: {store}
batch_size: 4
network: {{stem: 2, features: 2, n_levels: 2, normalization: instance}}
scored_subvoxels: 3
generator: {{crop: {{shape: [16, 16, 16]}}, elastic: {{squarings: 2}}}}
stages: [{{steps: 1, loss: wl2, learning_rate: 0.01}}]
"""


@pytest.fixture(scope="module")
def settings(head_store: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    path = tmp_path_factory.mktemp("step") / "run.yaml"
    path.write_text(RUN.format(store=head_store))
    return load_settings(path)


Taken = tuple[StepResult, list[FloatArray]]
"""What a step found, and the gradients that the optimizer took."""


def _take_step(
    settings: TrainSettings, folder: Path, spoil: Callable[[BatchSource], BatchSource] | None = None
) -> Taken:
    """One step, and the gradients that the optimizer took."""
    training = Training(settings, folder)
    stage = settings.stages[0]
    source = training.sources.of_stage(stage)
    if spoil is not None:
        source = spoil(source)
    result = training.make_step(stage, source)(next(training.batches(source)))
    moments = [v for v in training.learner.optimizer.variables if "momentum" in v.path]
    return result, [v.numpy() / 0.1 for v in moments]


@pytest.fixture(scope="module")
def whole(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """The step that takes the whole batch at once."""
    return _take_step(settings, tmp_path_factory.mktemp("whole"))


def test_passes_add_up_to_the_gradient_of_the_whole_batch(
    settings: TrainSettings, whole: Taken, tmp_path: Path
) -> None:
    """WL2 divides by the foreground of all passes together."""
    passes = dataclasses.replace(settings, accumulate_steps=2)
    result, gradients = _take_step(passes, tmp_path)
    assert result.loss == pytest.approx(whole[0].loss, rel=1e-5)
    assert result.samples == pytest.approx(whole[0].samples, rel=1e-4)
    for ours, theirs in zip(gradients, whole[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5 * np.abs(theirs).max())


def test_a_step_tells_the_loss_of_each_sample(settings: TrainSettings, whole: Taken) -> None:
    result, _ = whole
    assert sorted(result.samples) == [0, 1, 2, 3]
    assert len(set(result.samples.values())) == 4
    assert result.healthy
    assert not result.suspects
    assert not result.stop


class _Spoiled:
    """A source whose sample 2 is not a number."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source

    def dataset(self, shard: Shard) -> tf.data.Dataset:
        return self._source.dataset(shard)

    def describe(self, k: int, folder: Path) -> str:
        return self._source.describe(k, folder)

    def render(self, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        images, targets = self._source.render(batch)
        bad = tf.equal(batch["k"], 2)[:, None, None, None, None]
        return tf.where(bad, np.nan, images), targets


def test_a_sample_that_is_not_finite_is_suspected(settings: TrainSettings, tmp_path: Path) -> None:
    weighed = dataclasses.replace(
        settings.stages[0], loss="dice", weights=LossWeights(boundary=1.0, inverse_volume=True)
    )
    changed = dataclasses.replace(settings, stages=(weighed,))
    result, _ = _take_step(changed, tmp_path, spoil=_Spoiled)
    assert not result.healthy
    assert result.suspects == (2,)
    assert np.isfinite(result.samples[3])


def test_samples_that_are_cut_everywhere_are_learned_from(
    settings: TrainSettings, tmp_path: Path
) -> None:
    saturated = dataclasses.replace(
        settings.stages[0].generator,
        mixture=Mixture(means=Prior(rows=((1e3, 1e3),)), stds=Prior(rows=((0.0, 0.0),))),
        bias_field=BiasField(strength=Uniform(0, 0)),
    )
    stage = dataclasses.replace(settings.stages[0], generator=saturated)
    result, gradients = _take_step(dataclasses.replace(settings, stages=(stage,)), tmp_path)
    assert result.healthy
    assert not result.suspects
    assert any(gradient.any() for gradient in gradients)


def test_networks_begin_alike_whatever_was_made_before(settings: TrainSettings) -> None:
    first, second = (Learner(settings, tf.distribute.get_strategy()).weights() for _ in range(2))
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value)
