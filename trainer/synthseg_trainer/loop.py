"""The training loop: generator and network in one step, on whatever device there is.

Keras' `fit` fails under `MultiWorkerMirroredStrategy`, so the loop is ours: `strategy.run` with a
custom step.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from synthseg_generator.samples import SampleSource, Shard, sample_dataset
from synthseg_generator.store import LabelStore, open_store
from synthseg_generator.synthesis import Synthesizer

from synthseg_trainer.bundle import Bundle, assign_weights, weights_of
from synthseg_trainer.checkpoints import (
    Checkpoint,
    latest_checkpoint,
    save_checkpoint,
    settings_difference,
)
from synthseg_trainer.config import Stage, TrainSettings
from synthseg_trainer.errors import CheckpointError, TrainerError
from synthseg_trainer.evaluate import dice_scores
from synthseg_trainer.losses import LOSSES
from synthseg_trainer.network import LOGITS, build_unet, fold
from synthseg_trainer.progress import Interruption, RunLog

# Settings that a resumed run may change.
_FREE = ("store", "checkpoint_steps", "keep_checkpoints", "log_steps", "validation")


class Training:
    """One run: the state that steps change, and what makes a step.

    Args:
        settings: The run.
        run: Its folder.

    Raises:
        CheckpointError: The folder holds checkpoints and `resume` is false, or they do not fit the
            settings.
    """

    def __init__(self, settings: TrainSettings, run: Path, *, resume: bool = False) -> None:
        self.settings = settings
        self.run = run
        self.step = 0
        checkpoint = self._checkpoint_to_resume(resume)
        keras.utils.set_random_seed(settings.seed)
        keras.mixed_precision.set_global_policy(settings.precision)
        self.store = open_store(settings.store)
        self.training_maps = self._maps_for_training()
        self.strategy = choose_strategy()
        synchronized = self.strategy.num_replicas_in_sync > 1
        with self.strategy.scope():
            self.model = build_unet(settings.network, synchronized=synchronized)
            # Loss and scores need no particular order of voxels: they take the folded logits.
            self.folded = keras.Model(self.model.input, self.model.get_layer(LOGITS).output)
            self.optimizer = keras.optimizers.Adam(settings.stages[0].learning_rate)
            self.optimizer.build(self.model.trainable_variables)
        if checkpoint is not None:
            self._restore(checkpoint)

    def _maps_for_training(self) -> LabelStore:
        kept_out = set(self.settings.validation.maps)
        self.store.select(sorted(kept_out)) if kept_out else None
        names = [name for name in self.store.names if name not in kept_out]
        if not names:
            raise TrainerError(
                f"{self.store.path}: validation takes all {len(self.store)} maps, "
                "none is left to train on."
            )
        return self.store.select(names)

    def _checkpoint_to_resume(self, resume: bool) -> Checkpoint | None:
        found = latest_checkpoint(self.run)
        if found is None:
            return None
        if not resume:
            raise CheckpointError(
                f"{self.run} already holds a run at step {found.step}: "
                "pass --resume to go on, or name another folder."
            )
        ours = json.loads(json.dumps(dataclasses.asdict(self.settings)))
        free = (*_FREE, *(f"stages[{i}].steps" for i in range(len(self.settings.stages))))
        theirs = found.state["settings"]
        # Stages may be added behind those that the checkpoint knows.
        shared = min(len(ours["stages"]), len(theirs["stages"]))
        ours, theirs = ({**s, "stages": s["stages"][:shared]} for s in (ours, theirs))
        difference = settings_difference(theirs, ours, free)
        if difference:
            raise CheckpointError(
                f"{self.run} was trained with other settings: {'; '.join(difference)}. "
                "Restore them, or start another folder."
            )
        return found

    def _restore(self, checkpoint: Checkpoint) -> None:
        assign_weights(self.model, checkpoint.bundle.weights)
        variables = self.optimizer.variables
        if len(variables) != len(checkpoint.optimizer):
            raise CheckpointError(
                f"{self.run}: the checkpoint's optimizer has "
                f"{len(checkpoint.optimizer)} variables, expected {len(variables)}."
            )
        for variable, value in zip(variables, checkpoint.optimizer, strict=True):
            variable.assign(value)
        self.step = checkpoint.step

    def save(self) -> Path:
        """Writes a checkpoint of the present state."""
        settings = json.loads(json.dumps(dataclasses.asdict(self.settings)))
        info = {"training": {"step": self.step, "settings": settings}}
        checkpoint = Checkpoint(
            bundle=Bundle(
                network=self.settings.network,
                labels=self.store.table.segmentation_labels(),
                weights=weights_of(self.model),
                info=info,
            ),
            optimizer=tuple(np.asarray(v.numpy()) for v in self.optimizer.variables),
            state={"step": self.step, "settings": settings},
        )
        return save_checkpoint(self.run, checkpoint, self.settings.keep_checkpoints)

    def batches(self, stage: Stage, first_step: int) -> Iterator[Any]:
        """Batches from a step on: step s takes samples s·batch to (s + 1)·batch - 1."""
        source = SampleSource(self.training_maps, stage.generator, self.settings.seed)
        batch = self.settings.batch_size
        samples = sample_dataset(source, Shard(first=first_step * batch))
        dataset = samples.batch(batch, drop_remainder=True).prefetch(2)
        return iter(self.strategy.experimental_distribute_dataset(dataset))

    def make_step(self, stage: Stage) -> Callable[[Any], Any]:
        """The compiled step of a stage: samples in, mean loss out, weights changed."""
        source = SampleSource(self.training_maps, stage.generator, self.settings.seed)
        synthesizer = _synthesizer(self.store, source)
        loss_of = LOSSES[stage.loss]
        settings, model, optimizer = self.settings, self.folded, self.optimizer
        replicas = self.strategy.num_replicas_in_sync

        def replica_step(batch: dict[str, Any]) -> Any:
            image, target = synthesize_batch(synthesizer, batch, settings.batch_size // replicas)
            with tf.GradientTape() as tape:
                logits = tf.cast(model(image, training=True), tf.float32)
                loss = mean_loss(loss_of, logits, target, settings.network.stem) / replicas
                scaled = optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        @tf.function
        def step(batch: dict[str, Any]) -> Any:
            losses = self.strategy.run(replica_step, args=(batch,))
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

        return step

    def validate(self) -> dict[int, float]:
        """Mean hard Dice per label value on the validation scans; empty without held-out maps."""
        validation = self.settings.validation
        if not validation.maps:
            return {}
        source = SampleSource(
            self.store.select(validation.maps), validation.generator, validation.seed
        )
        synthesizer = _synthesizer(self.store, source)
        stem, values = self.settings.network.stem, self.store.table.segmentation_labels().values

        @tf.function
        def answer(batch: dict[str, Any]) -> tuple[Any, Any]:
            image, target = synthesize_batch(synthesizer, batch, 1)
            logits = unfold_labels(self.folded(image, training=False), stem)
            return tf.argmax(logits, axis=-1, output_type=tf.int32), fold_target(target, stem)

        scores = []
        for batch in sample_dataset(source, Shard(count=validation.samples)).batch(1):
            predicted, target = answer(batch)
            scores.append(dice_scores(target.numpy(), predicted.numpy(), range(len(values))))
        means = _nanmean(np.array(scores))
        return {value: float(mean) for value, mean in zip(values[1:], means[1:], strict=True)}


def train(settings: TrainSettings, run: Path, *, resume: bool = False) -> bool:
    """Trains a network from synthetic scans, to the last step or until a signal asks to stop.

    Args:
        settings: The run.
        run: Folder of checkpoints and logs.
        resume: Go on from the newest checkpoint in `run`, if there is one.

    Returns:
        Whether the last step was done; false after SIGTERM or SIGINT, with the state saved.

    Raises:
        TrainerError: The loss is not finite, or the run cannot start.
        GeneratorError: The store cannot be read.
    """
    training = Training(settings, run, resume=resume)
    log = RunLog(run, training.step, settings.total_steps, settings.log_steps)
    try:
        with Interruption() as interruption:
            while training.step < settings.total_steps and not interruption.asked:
                _train_stage(training, log, interruption)
            if interruption.asked and training.step < settings.total_steps:
                log.say(f"interrupted at step {training.step}, saved in {training.save()}")
                return False
        return True
    finally:
        log.close()


def _train_stage(training: Training, log: RunLog, interruption: Interruption) -> None:
    settings = training.settings
    index, offset = settings.stage_at(training.step)
    stage = settings.stages[index]
    step = training.make_step(stage)
    batches = training.batches(stage, training.step)
    for position in range(offset, stage.steps):
        rate = stage.learning_rate_at(position)
        training.optimizer.learning_rate.assign(rate)
        loss = float(step(next(batches)))
        if not math.isfinite(loss):
            first = training.step * settings.batch_size
            last = first + settings.batch_size - 1
            raise TrainerError(
                f"the loss of step {training.step} is {loss}; "
                f"samples {first} to {last} of seed {settings.seed} caused it."
            )
        training.step += 1
        log.step(training.step, stage.name, loss, rate)
        _mark(training, log)
        if interruption.asked:
            return


def _mark(training: Training, log: RunLog) -> None:
    settings, last = training.settings, training.step == training.settings.total_steps
    if training.step % settings.validation.every_steps == 0 or last:
        scores = training.validate()
        if scores:
            mean = float(np.nanmean(list(scores.values())))
            log.scalars(
                training.step, {"dice/mean": mean, **{f"dice/{v}": s for v, s in scores.items()}}
            )
            log.say(f"step {training.step}: mean Dice on held-out maps {mean:.3f}")
    if training.step % settings.checkpoint_steps == 0 or last:
        training.save()


def choose_strategy() -> tf.distribute.Strategy:
    """All GPUs of this machine, or its only device."""
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def synthesize_batch(synthesizer: Synthesizer, batch: dict[str, Any], size: int) -> tuple[Any, Any]:
    """Images of a batch, float32 `[b, x, y, z, channel]`, and targets, int32 `[b, x, y, z]`."""
    settings = synthesizer.settings
    shape = (*settings.crop.shape, settings.n_channels)
    pairs = []
    for i in range(size):
        row = {name: value[i] for name, value in batch["row"].items()}
        # Philox by name: TensorFlow's default differs between compiled and plain graphs.
        noise = tf.random.stateless_normal(shape, row["noise_seed"], alg="philox")
        pairs.append(synthesizer(batch["labels"][i], row, noise))
    images, targets = zip(*pairs, strict=True)
    return tf.stack(images), tf.stack(targets)


def mean_loss(loss_of: Callable[[Any, Any], Any], folded: Any, target: Any, stem: int) -> Any:
    """Mean over samples of a loss on folded logits."""
    logits, targets = unfold_labels(folded, stem), fold_target(target, stem)
    n_labels = logits.shape[-1]
    losses = [
        loss_of(tf.reshape(logits[i], (-1, n_labels)), tf.reshape(targets[i], (-1,)))
        for i in range(target.shape[0])
    ]
    return tf.add_n(losses) / len(losses)


def unfold_labels(folded: Any, stem: int) -> Any:
    """Parts sub-voxels and labels: `[b, x, y, z, stem³·label]` to `[b, x, y, z, stem³, label]`."""
    n_labels = folded.shape[-1] // stem**3
    return tf.reshape(folded, (*tf.unstack(tf.shape(folded)[:4]), stem**3, n_labels))


def fold_target(target: Any, stem: int) -> Any:
    """Orders targets as the folded logits: `[b, x, y, z]` to `[b, x/s, y/s, z/s, stem³]`."""
    return fold(target[..., None], stem)


def _synthesizer(store: LabelStore, source: SampleSource) -> Synthesizer:
    return Synthesizer(source.settings, store.labels, source.map_shape, store.voxel_size_mm[0])


def _nanmean(scores: np.ndarray) -> np.ndarray:
    """Mean over rows of the values that are there; NaN where none is."""
    present = np.isfinite(scores)
    counts = present.sum(axis=0)
    sums = np.where(present, scores, 0.0).sum(axis=0)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
