"""The state of a run, what makes a step of it, and its way to disk and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from synthseg_generator.samples import SampleSource, Shard, sample_dataset
from synthseg_generator.store import LabelStore, open_store

from synthseg_trainer.batch import (
    draw_subvoxels,
    fold_target,
    head_logits,
    make_synthesizer,
    mean_loss,
    synthesize_batch,
)
from synthseg_trainer.bundle import Bundle, assign_weights, weights_of
from synthseg_trainer.checkpoints import (
    Checkpoint,
    latest_checkpoint,
    save_checkpoint,
    settings_difference,
)
from synthseg_trainer.config import Stage, TrainSettings
from synthseg_trainer.distribution import is_chief, samples_per_replica, shard_of
from synthseg_trainer.errors import CheckpointError, TrainerError
from synthseg_trainer.evaluate import dice_scores, mean_of_present
from synthseg_trainer.feed import Feed
from synthseg_trainer.losses import LOSSES
from synthseg_trainer.network import LOGITS, build_unet

# Samples whose labels are counted before the first step.
_SIZE_SAMPLES = 4
# Settings that a resumed run may change.
_FREE = ("store", "checkpoint_steps", "keep_checkpoints", "log_steps", "validation")


class Training:
    """One run: the weights and the optimizer that steps change, and the number of steps done.

    Args:
        settings: The run.
        run: Its folder.
        resume: Go on from the newest checkpoint in the folder, if there is one.
        strategy: The devices; by default the only one there is.
        feed: Where samples come from; by default this process.

    Raises:
        CheckpointError: The folder holds checkpoints and `resume` is false, or they were made with
            other settings.
        TrainerError: No map is left to train on.
        ConfigError: The batch cannot be shared by the devices.
    """

    def __init__(
        self,
        settings: TrainSettings,
        run: Path,
        *,
        resume: bool = False,
        strategy: tf.distribute.Strategy | None = None,
        feed: Feed = sample_dataset,
    ) -> None:
        self.settings = settings
        self.run = run
        self.step = 0
        self.strategy = strategy or tf.distribute.get_strategy()
        self.feed = feed
        self.writes = is_chief(self.strategy)
        self._per_replica = samples_per_replica(self.strategy, settings.batch_size)
        checkpoint = self._checkpoint_to_resume(resume)
        self.store = open_store(settings.store)
        self.training_maps = self._maps_for_training()
        self._build()
        if checkpoint is None:
            self._start_from_label_sizes()
        else:
            self._restore(checkpoint)

    def _build(self) -> None:
        keras.utils.set_random_seed(self.settings.seed)
        keras.mixed_precision.set_global_policy(self.settings.precision)
        synchronized = self.strategy.num_replicas_in_sync > 1
        with self.strategy.scope():
            self.model = build_unet(self.settings.network, synchronized=synchronized)
            # The loss applies the last layer itself, to the sub-voxels that it scores.
            self.head = self.model.get_layer(LOGITS)
            self.body = keras.Model(self.model.input, self.head.input)
            self.optimizer = keras.optimizers.Adam(self.settings.stages[0].learning_rate)
            self.optimizer.build(self.model.trainable_variables)
        keras.mixed_precision.set_global_policy("float32")

    def _start_from_label_sizes(self) -> None:
        """Starts the last layer at the labels' log frequencies, which Adam learns slowly."""
        settings = self.settings
        source = SampleSource(self.training_maps, settings.stages[0].generator, settings.seed)
        synthesizer = make_synthesizer(source)
        counts = np.ones(settings.network.n_labels)
        for k in range(_SIZE_SAMPLES):
            parameters = source.parameters(k)
            labels = source.label_map(int(parameters.map_index))
            target = synthesizer.target(synthesizer.deform(labels, parameters.to_row()))
            counts += np.bincount(np.ravel(target), minlength=len(counts))
        logits = np.log(counts / counts.sum())
        self.head.bias.assign(np.tile(logits, settings.network.stem**3))

    def _maps_for_training(self) -> LabelStore:
        kept_out = self.settings.validation.maps
        if kept_out:
            self.store.select(kept_out)
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
        difference = _difference(found.state["settings"], _as_json(self.settings))
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

    def save(self) -> None:
        """Writes a checkpoint of the present state; only one of several workers does."""
        if not self.writes:
            return
        settings = _as_json(self.settings)
        bundle = Bundle(
            network=self.settings.network,
            labels=self.store.table.segmentation_labels(),
            weights=weights_of(self.model),
            info={"training": {"step": self.step, "settings": settings}},
        )
        optimizer = tuple(np.asarray(v.numpy()) for v in self.optimizer.variables)
        state = {"step": self.step, "settings": settings}
        checkpoint = Checkpoint(bundle, optimizer, state)
        save_checkpoint(self.run, checkpoint, self.settings.keep_checkpoints)

    def batches(self, stage: Stage) -> Iterator[Any]:
        """Batches from the present step on, shared between the devices."""
        source = SampleSource(self.training_maps, stage.generator, self.settings.seed)

        def shared(context: tf.distribute.InputContext) -> tf.data.Dataset:
            shard = shard_of(context, self.settings.batch_size, self.step)
            samples = self.feed(source, shard)
            # Boxes that Dask workers cut differ in size; what padding adds is never looked at.
            return samples.padded_batch(self._per_replica, drop_remainder=True).prefetch(2)

        return iter(self.strategy.distribute_datasets_from_function(shared))

    def make_step(self, stage: Stage) -> Callable[[Any, Any], tuple[Any, Any]]:
        """The compiled step of a stage.

        Returns:
            A function of a batch and of whether this process was asked to stop, to the mean loss of
            the step and to how many replicas were asked to stop; it changes the weights.
        """
        source = SampleSource(self.training_maps, stage.generator, self.settings.seed)
        synthesizer = make_synthesizer(source)
        loss_of, stem = LOSSES[stage.loss], self.settings.network.stem
        body, head, variables = self.body, self.head, self.model.trainable_variables
        optimizer, size, scored = self.optimizer, self._per_replica, self.settings.scored_subvoxels
        replicas = self.strategy.num_replicas_in_sync

        def replica_step(batch: dict[str, Any], asked: Any) -> tuple[Any, Any]:
            image, target = synthesize_batch(synthesizer, batch, size)
            targets, kept = fold_target(target, stem), None
            if scored is not None:
                kept = draw_subvoxels(scored, stem, batch["row"]["noise_seed"][0])
                targets = tf.gather(targets, kept, axis=-1)
            with tf.GradientTape() as tape:
                logits = head_logits(head, body(image, training=True), stem, kept)
                # Gradients are summed over the replicas: a share of the mean each.
                loss = mean_loss(loss_of, logits, targets) / replicas
                scaled = optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return loss, tf.identity(asked)

        @tf.function
        def step(batch: dict[str, Any], asked: Any) -> tuple[Any, Any]:
            results = self.strategy.run(replica_step, args=(batch, asked))
            total = tf.distribute.ReduceOp.SUM
            loss, stop = (self.strategy.reduce(total, value, axis=None) for value in results)
            return loss, stop

        return step

    def validate(self) -> dict[int, float]:
        """Mean hard Dice per label value on the validation scans; empty without held-out maps."""
        validation = self.settings.validation
        if not validation.maps:
            return {}
        source = SampleSource(
            self.store.select(validation.maps), validation.generator, validation.seed
        )
        synthesizer = make_synthesizer(source)
        stem, values = self.settings.network.stem, self.store.table.segmentation_labels().values

        @tf.function
        def answer(batch: dict[str, Any]) -> tuple[Any, Any]:
            image, target = synthesize_batch(synthesizer, batch, 1)
            logits = head_logits(self.head, self.body(image, training=False), stem)
            return tf.argmax(logits, axis=-1, output_type=tf.int32), fold_target(target, stem)

        scores = []
        for batch in sample_dataset(source, Shard(count=validation.samples)).batch(1):
            predicted, target = answer(batch)
            scores.append(dice_scores(target.numpy(), predicted.numpy(), range(len(values))))
        means = mean_of_present(np.array(scores))
        return {value: float(mean) for value, mean in zip(values[1:], means[1:], strict=True)}


def _as_json(settings: TrainSettings) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return values


def _difference(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """What a resumed run would change and must not; stages may grow, and follow those known."""
    shared = min(len(ours["stages"]), len(theirs["stages"]))
    free = (*_FREE, *(f"stages[{i}].steps" for i in range(shared)))
    known, wanted = ({**s, "stages": s["stages"][:shared]} for s in (theirs, ours))
    return settings_difference(known, wanted, free)
