"""Trains on Keras' JAX backend, where there is a GPU and no TensorFlow, in runs of bounded time.

    python tools/train_jax.py laptop --store labels.zarr --run runs/gpu --minutes 9

Settings, stream of samples and checkpoints are those of `synthseg-trainer train`: either goes on
with a run that the other began. A run ends at its last step, after `--minutes`, or at SIGTERM or
Ctrl-C (exit code 143 or 130), and has saved its state; called again it goes on. Images are equal
to TensorFlow's but for the numbers of the voxel noise, which JAX draws by itself.

One device. Every voxel is scored, whatever `scored_subvoxels` says. Refused: scans with labels,
weights in the loss, loss `wl2`, several passes per step, float16.

Needs jax, keras, numpy, zarr, nibabel, click, cattrs, pyyaml and h5py, and this repository's
`common`, `generator` and `trainer` on the path.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

os.environ["KERAS_BACKEND"] = "jax"
REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / part) for part in ("common", "generator", "trainer")]

import jax
import jax.numpy as jnp
import keras
import numpy as np
from synthseg_common.arrays import AnyArray
from synthseg_common.errors import SynthSegError, exit_code_of
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore, find_cubic_voxel_size_mm, open_store
from synthseg_trainer.config import Stage, TrainSettings, load_settings
from synthseg_trainer.config.stage import LossWeights
from synthseg_trainer.errors import CheckpointError, ConfigError, TrainerError
from synthseg_trainer.evaluation.overlap import dice_scores, mean_of_present
from synthseg_trainer.network.bundle import Bundle, assign_weights, weights_of
from synthseg_trainer.network.layer_names import LOGITS
from synthseg_trainer.network.unet import build_unet
from synthseg_trainer.places import read_place
from synthseg_trainer.runs.best import digest_of_scans, keep_if_best
from synthseg_trainer.runs.checkpoints import (
    Checkpoint,
    prepare_run,
    save_checkpoint,
    state_at,
)
from synthseg_trainer.runs.initial import COUNTED_SAMPLES, bias_of_label_sizes, initial_weights
from synthseg_trainer.runs.maps import maps_for_training
from synthseg_trainer.runs.provenance import bundle_at, training_info
from synthseg_trainer.runs.resume import check_data, checkpoint_to_resume
from synthseg_trainer.training.optimizers import build_optimizer

Array: TypeAlias = Any
Rows: TypeAlias = Mapping[str, AnyArray]
"""Parameters of the samples of a batch, each with a first axis for the sample; `k` is theirs."""
LOSSES = ("dice", "cross_entropy", "dice_cross_entropy")
_EPSILON = 1e-7


class Samples:
    """Synthetic scans of a store, made on the device; its label maps lie there.

    Args:
        store: The maps.
        generator: The generative model.
        seed: Names the stream of samples.
    """

    def __init__(self, store: LabelStore, generator: GeneratorSettings, seed: int) -> None:
        self._source = SampleSource(store, generator, seed)
        self._source.check()
        self._seed = seed
        self._synthesizer = Synthesizer(
            generator, store.labels, self._source.map_shape, find_cubic_voxel_size_mm(store)
        )
        self.maps = jax.device_put(
            np.stack([self._source.label_map(index) for index in range(len(store))])
        )

    def rows(self, first: int, count: int) -> Rows:
        """Parameters of some consecutive samples."""
        drawn = []
        for k in range(first, first + count):
            parameters = self._source.parameters(k)
            own = {"k": np.uint32(k), "map_index": np.int32(parameters.map_index)}
            drawn.append({**parameters.to_row(), **own})
        return {name: np.stack([row[name] for row in drawn]) for name in drawn[0]}

    def render(self, maps: Array, rows: Mapping[str, Array]) -> tuple[Array, Array]:
        """Makes images and targets, inside of a compiled function.

        Args:
            maps: `self.maps`; an argument, so that the compiled function does not hold a copy.
            rows: Parameters of the samples.

        Returns:
            float32 `[b, x, y, z, channel]`, and int32 `[b, x, y, z]`, channels of the network.
        """
        pairs = []
        for i in range(rows["k"].shape[0]):
            row = {name: value[i] for name, value in rows.items()}
            key = jax.random.fold_in(jax.random.key(self._seed), row.pop("k"))
            noise = jax.random.normal(key, self._synthesizer.noise_shape, jnp.float32)
            pairs.append(self._synthesizer(maps[row.pop("map_index")], row, noise))
        images, targets = zip(*pairs, strict=True)
        return jnp.stack(images), jnp.stack(targets)

    def targets(self, count: int) -> Iterator[AnyArray]:
        """Targets of the first samples."""
        render = jax.jit(self.render)
        for k in range(count):
            _, target = render(self.maps, self.rows(k, 1))
            yield np.asarray(target)


def sample_loss(logits: Array, target: Array, *, dice: bool, cross_entropy: bool) -> Array:
    """Soft Dice, cross-entropy or their sum, as `synthseg_trainer.training.losses` has them.

    Args:
        logits: float32 `[voxel, label]`.
        target: int32 `[voxel]`.
        dice: Whether to take the former.
        cross_entropy: Whether to take the latter, in nats.
    """
    probabilities = keras.ops.softmax(logits)
    true = keras.ops.one_hot(target, logits.shape[-1], dtype="float32")
    loss = 0.0
    if dice:
        overlap = keras.ops.sum(true * probabilities, axis=0)
        sizes = keras.ops.sum(keras.ops.square(probabilities), axis=0) + keras.ops.sum(true, axis=0)
        loss += keras.ops.mean(1.0 - (2.0 * overlap + _EPSILON) / (sizes + _EPSILON))
    if cross_entropy:
        # The gradient of a logarithm would overflow where a probability is 0.
        logarithms = keras.ops.log_softmax(logits)
        loss -= keras.ops.mean(keras.ops.sum(true * logarithms, axis=-1))
    return loss


@dataclass
class State:
    """What steps change, as lists of arrays in the order of Keras' variables."""

    weights: list[Array]
    untrained: list[Array]
    optimizer: list[Array]
    averages: list[Array]


Step: TypeAlias = Callable[[State, Rows, float], Array]
"""Changes the state by a batch at a learning rate, and returns the loss."""


def copies_of(values: Sequence[Array]) -> list[Array]:
    """Arrays of their own: a step takes those that it is given."""
    return [jnp.array(keras.ops.convert_to_tensor(value), copy=True) for value in values]


class Learner:
    """Network and optimizer, as functions of their state.

    Args:
        settings: The run.
    """

    def __init__(self, settings: TrainSettings) -> None:
        self.settings = settings
        keras.utils.set_random_seed(settings.seed)
        keras.mixed_precision.set_global_policy(settings.precision)
        self.model = build_unet(settings.network)
        self.optimizer = build_optimizer(settings, self.model.trainable_variables)
        keras.mixed_precision.set_global_policy("float32")
        (self._rate,) = (
            index
            for index, variable in enumerate(self.optimizer.variables)
            if variable.name == "learning_rate"
        )

    def state(self) -> State:
        """The state in Keras' variables."""
        weights = copies_of(self.model.trainable_variables)
        averages = copies_of([] if self.settings.average_decay is None else weights)
        untrained = copies_of(self.model.non_trainable_variables)
        return State(weights, untrained, copies_of(self.optimizer.variables), averages)

    def network_weights(self, state: State) -> Mapping[str, Any]:
        """The weights to use, averaged if there is an average, by `<layer>/<variable>`."""
        values = [*(state.averages or state.weights), *state.untrained]
        variables = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return weights_of(self.model)

    def restore(self, checkpoint: Checkpoint) -> State:
        """The state of a checkpoint.

        Raises:
            CheckpointError: It is that of another network or optimizer.
        """
        assign_weights(self.model, checkpoint.bundle.weights)
        state = self.state()
        own = [*state.optimizer, *(state.weights if state.averages else [])]
        if [a.shape for a in own] != [np.shape(a) for a in checkpoint.optimizer]:
            raise CheckpointError("the optimizer of the checkpoint is another one.")
        kept = [jnp.asarray(a, b.dtype) for a, b in zip(checkpoint.optimizer, own, strict=True)]
        state.optimizer = kept[: len(state.optimizer)]
        state.weights = kept[len(state.optimizer) :] or state.weights
        return state

    def saved(self, state: State) -> tuple[AnyArray, ...]:
        """The optimizer's part of a checkpoint."""
        own = state.weights if state.averages else []
        return tuple(np.asarray(value) for value in [*state.optimizer, *own])

    def forget_moments(self, state: State) -> None:
        """Starts the optimizer anew."""
        state.optimizer = [jnp.zeros_like(value) for value in state.optimizer]

    def make_step(self, stage: Stage, samples: Samples) -> Step:
        """The compiled step of a stage."""
        dice, entropy = stage.loss != "cross_entropy", stage.loss != "dice"
        decay, clip_norm = self.settings.average_decay, self.settings.adam.clip_norm

        def loss_of(weights: list[Array], untrained: list[Array], rows: Rows, maps: Array) -> Any:
            images, targets = samples.render(maps, rows)
            logits, untrained = self.model.stateless_call(weights, untrained, images, training=True)
            losses = [
                sample_loss(
                    answer.reshape(-1, answer.shape[-1]),
                    target.reshape(-1),
                    dice=dice,
                    cross_entropy=entropy,
                )
                for answer, target in zip(logits, targets, strict=True)
            ]
            return sum(losses) / len(losses), untrained

        def step(values: Any, rows: Rows, maps: Array, rate: Array) -> Any:
            weights, untrained, optimizer, averages = values
            differentiate = jax.value_and_grad(loss_of, has_aux=True)
            (loss, untrained), gradients = differentiate(weights, untrained, rows, maps)
            norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in gradients))
            if clip_norm is not None:
                gradients = [g * jnp.minimum(1.0, clip_norm / norm) for g in gradients]
            optimizer = [*optimizer]
            optimizer[self._rate] = rate
            weights, optimizer = self.optimizer.stateless_apply(optimizer, gradients, weights)
            if decay is not None:
                pairs = zip(averages, weights, strict=True)
                averages = [a + (1.0 - decay) * (w - a) for a, w in pairs]
            # A gradient that is no finite number shows in what is returned too.
            return (weights, untrained, optimizer, averages), loss + 0.0 * norm

        compiled = jax.jit(step, donate_argnums=0)

        def changed(state: State, rows: Rows, rate: float) -> Array:
            values = state.weights, state.untrained, state.optimizer, state.averages
            values, loss = compiled(values, rows, samples.maps, jnp.float32(rate))
            state.weights, state.untrained, state.optimizer, state.averages = values
            return loss

        return changed


class Scorer:
    """Mean hard Dice on held-out scans, always the same ones."""

    def __init__(self, learner: Learner, samples: Samples) -> None:
        self._learner, self._samples = learner, samples

        def answer(weights: list[Array], untrained: list[Array], rows: Rows, maps: Array) -> Any:
            images, targets = samples.render(maps, rows)
            logits, _ = learner.model.stateless_call(weights, untrained, images, training=False)
            return jnp.argmax(logits, axis=-1).astype(jnp.int32)[0], targets[0]

        self._answer = jax.jit(answer)

    def __call__(self, state: State) -> float:
        """Scores averaged weights, if there are any."""
        labels = range(self._learner.settings.network.n_labels)
        weights = state.averages or state.weights
        scores = []
        for k in range(self._learner.settings.validation.samples):
            rows = self._samples.rows(k, 1)
            found, target = self._answer(weights, state.untrained, rows, self._samples.maps)
            scores.append(dice_scores(np.asarray(target), np.asarray(found), labels))
        return float(np.nanmean(mean_of_present(np.array(scores))[1:]))


class Run:
    """One run: where it stands, and its way to disk and back.

    Args:
        settings: The run.
        folder: Its folder; it goes on from the newest checkpoint there.

    Raises:
        CheckpointError: The checkpoint was made with other settings, or of other data.
    """

    def __init__(self, settings: TrainSettings, folder: Path) -> None:
        check(settings)
        self.settings, self.folder = settings, folder
        store = open_store(settings.store)
        held_out = settings.validation.maps
        self._training = maps_for_training(store, settings)
        self._labels = store.table.segmentation_labels(settings.stages[0].generator.labels)
        self._fingerprint = self._training.fingerprint
        self._info = training_info(settings)
        self.learner = Learner(settings)
        found = checkpoint_to_resume(folder, settings, resume=True)
        self.step = 0 if found is None else found.step
        self.state = self._begin() if found is None else self._resume(found)
        prepare_run(folder)
        self._scorer = None
        if held_out:
            validation = settings.validation
            samples = Samples(store.select(held_out), validation.generator, validation.seed)
            self._scorer = Scorer(self.learner, samples)

    def _begin(self) -> State:
        model, network, settings = self.learner.model, self.settings.network, self.settings
        if settings.initial_weights is not None:
            place = read_place(settings.initial_weights)
            own = weights_of(model)
            assign_weights(model, initial_weights(own, network, self._labels, place))
        else:
            samples = self.samples_of(settings.stages[0])
            bias = bias_of_label_sizes(samples.targets(COUNTED_SAMPLES), network)
            model.get_layer(LOGITS).bias.assign(bias)
        return self.learner.state()

    def _resume(self, found: Checkpoint) -> State:
        check_data(found, self._fingerprint, self.settings, self.folder)
        return self.learner.restore(found)

    def samples_of(self, stage: Stage) -> Samples:
        """The stream of a stage."""
        return Samples(self._training, stage.generator, self.settings.seed)

    def save(self) -> None:
        """Writes a checkpoint."""
        settings = self.settings
        state = state_at(self.step, settings, self._fingerprint)
        checkpoint = Checkpoint(self.bundle(), self.learner.saved(self.state), state)
        kept = settings.keep_checkpoints, settings.keep_every_steps
        save_checkpoint(self.folder, checkpoint, *kept)

    def bundle(self) -> Bundle:
        """The network as it is now."""
        weights = self.learner.network_weights(self.state)
        return bundle_at(self.step, self.settings, self._labels, weights, self._info)

    def score(self) -> None:
        """Scores the network on held-out scans, and keeps the best."""
        if self._scorer is None:
            return
        mean = self._scorer(self.state)
        print(f"step {self.step}: mean Dice {mean:.4f} on held-out scans", flush=True)
        digest = digest_of_scans(self.settings.validation)
        keep_if_best(self.folder, self.bundle(), mean, digest=digest)

    def go_on(self, ended: Callable[[], bool]) -> None:
        """Takes steps until the last, or until something asks for the end, and saves.

        Raises:
            TrainerError: The loss or a gradient is not finite; nothing is saved then.
        """
        settings = self.settings
        losses: list[Array] = []
        began = time.monotonic()
        for stage, step_in_stage, rows, step in self._steps():
            if step_in_stage == 0 and stage.fresh_optimizer:
                self.learner.forget_moments(self.state)
            losses.append(step(self.state, rows, stage.learning_rate_at(step_in_stage)))
            self.step += 1
            last, stops = self.step == settings.total_steps, ended()
            saves = last or stops or self.step % settings.checkpoint_steps == 0
            if saves or self.step % settings.log_steps == 0:
                # JAX computes behind our back: only here is it waited for, and looked at.
                self._log(stage, losses, began)
                losses, began = [], time.monotonic()
            if saves:
                self.save()
            if last or self.step % settings.validation.every_steps == 0:
                self.score()
                began = time.monotonic()
            if stops:
                return

    def _steps(self) -> Iterator[tuple[Stage, int, Rows, Step]]:
        """Stage, step in it, parameters of the batch, and what takes the step, from now on."""
        settings, size = self.settings, self.settings.batch_size
        made: tuple[int, Samples, Step] | None = None
        while self.step < settings.total_steps:
            index, step_in_stage = settings.stage_at(self.step)
            stage = settings.stages[index]
            if made is None or made[0] != index:
                samples = self.samples_of(stage)
                made = index, samples, self.learner.make_step(stage, samples)
            _, samples, step = made
            yield stage, step_in_stage, samples.rows(self.step * size, size), step

    def _log(self, stage: Stage, losses: Sequence[Array], began: float) -> None:
        values = np.array([float(loss) for loss in losses])
        if not np.isfinite(values).all():
            raise TrainerError(
                f"a loss or gradient before step {self.step} is not finite; the last checkpoint is "
                "from before."
            )
        pace = len(losses) / max(time.monotonic() - began, 1e-9)
        done = f"step {self.step} of {self.settings.total_steps}, {stage.name}"
        print(f"{done}: loss {values.mean():.4f}, {pace:.2f} steps/s", flush=True)


def check(settings: TrainSettings) -> None:
    """Refuses what `synthseg-trainer` does and this script does not.

    Raises:
        ConfigError: The message names the setting.
    """
    refused = {
        "supervised": settings.supervised.enabled,
        "accumulate_steps": settings.accumulate_steps > 1,
        "precision mixed_float16": settings.precision == "mixed_float16",
    }
    for stage in settings.stages:
        refused[f"stage {stage.name}: loss {stage.loss}"] = stage.loss not in LOSSES
        refused[f"stage {stage.name}: weights"] = stage.weights != LossWeights()
    found = [name for name, given in refused.items() if given]
    if found:
        raise ConfigError(f"this script does not know {found[0]}; take synthseg-trainer train.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path, help="Recipe or settings file.")
    parser.add_argument("--store", help="Label store, if not the settings'.")
    parser.add_argument("--run", type=Path, required=True, help="Folder of the run.")
    parser.add_argument("--minutes", type=float, help="End after so many, with the state saved.")
    given = parser.parse_args(arguments)
    began, heard = time.monotonic(), []

    def note(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)

    def ended() -> bool:
        late = given.minutes is not None and time.monotonic() - began > 60 * given.minutes
        return bool(heard) or late

    jax.config.update("jax_compilation_cache_dir", str(given.run.resolve() / "compiled"))
    try:
        run = Run(load_settings(given.settings, store=given.store), given.run)
        print(f"{jax.devices()[0].device_kind}: from step {run.step}", flush=True)
        run.go_on(ended)
    except SynthSegError as error:
        print(f"Error: {error}", file=sys.stderr)
        return exit_code_of(error)
    return 128 + heard[0] if heard else 0


if __name__ == "__main__":
    sys.exit(main())
