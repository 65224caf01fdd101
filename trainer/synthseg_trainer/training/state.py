"""The state of a run, what makes a step of it, and its way to disk and back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from synthseg_trainer.aliases import Batch
from synthseg_trainer.config import Stage, TrainSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import Bundle
from synthseg_trainer.places import Place, read_place
from synthseg_trainer.runs.checkpoints import Checkpoint, save_checkpoint, state_at
from synthseg_trainer.runs.mirror import Mirror
from synthseg_trainer.runs.provenance import bundle_at, training_info
from synthseg_trainer.runs.resume import check_data, checkpoint_to_resume
from synthseg_trainer.training.agreement import agree, digest_of, exchange, together
from synthseg_trainer.training.distribution import (
    check_replicas,
    has_peers,
    is_chief,
    samples_per_replica,
    shard_of,
)
from synthseg_trainer.training.failures import made
from synthseg_trainer.training.held_out import HeldOutScorer, HeldOutScores
from synthseg_trainer.training.learner import Learner
from synthseg_trainer.training.sources import BatchSource, Sources
from synthseg_trainer.training.start import start_from_label_sizes, start_from_network
from synthseg_trainer.training.step import TrainStep
from synthseg_trainer.training.supervised import sources_of


class Training:
    """One run: the weights and the optimizer that steps change, and the number of steps done.

    Args:
        settings: The run.
        run: Its folder.
        resume: Go on from the newest checkpoint in the folder, if there is one.
        strategy: The devices; by default the only one there is.
        sources: What it learns from; by default what the settings say, prepared by this process.
        mirror: Its place in object storage; `run` is then an empty folder to work in.

    Raises:
        CheckpointError: The folder holds checkpoints and `resume` is false, or they were made with
            other settings or data, or one of several workers would begin otherwise.
        TrainerError: No map is left to train on, or another worker cannot begin.
        ConfigError: The batch cannot be shared by the devices.
        GeneratorError: A stage asks for what the store does not have.
    """

    def __init__(
        self,
        settings: TrainSettings,
        run: Path,
        *,
        resume: bool = False,
        strategy: tf.distribute.Strategy | None = None,
        sources: Sources | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        self.settings = settings
        self.run = run
        self.mirror = mirror
        self.place: Place = run if mirror is None else mirror.url
        """What messages call the run."""
        self.step = 0
        self.strategy = strategy or tf.distribute.get_strategy()
        self.writes = is_chief(self.strategy)
        check_replicas(self.strategy, settings)
        self._per_replica = samples_per_replica(
            self.strategy, settings.batch_size, settings.accumulate_steps
        )
        # Nobody looks for checkpoints while the one that writes may still be saving another run.
        exchange(self.strategy, None)
        checkpoint = together(self.strategy, lambda: self._find_checkpoint(resume))
        self.sources = sources or together(self.strategy, lambda: sources_of(settings))
        together(self.strategy, self._check_samples)
        self._info = training_info(settings)
        agree(
            self.strategy,
            step=checkpoint.step if checkpoint else 0,
            settings=self._info["training"]["settings"],
            data=self.sources.fingerprint,
        )
        self.learner = Learner(settings, self.strategy)
        if checkpoint is None:
            together(self.strategy, self._start)
            self._share_bias()
            self.learner.start_average()
        else:
            together(self.strategy, lambda: self._restore(checkpoint))
        if has_peers(self.strategy):
            weights, state = self.learner.weights(), self.learner.state()
            agree(self.strategy, weights=digest_of(weights.values()), optimizer=digest_of(state))

    def _find_checkpoint(self, resume: bool) -> Checkpoint | None:
        if self.mirror is not None:
            self.mirror.fetch(self.run)
        return checkpoint_to_resume(self.run, self.settings, resume, self.place)

    def _check_samples(self) -> None:
        # What a later stage asks for is refused now, not after days of the stages before.
        for stage in self.settings.stages:
            self.sources.of_stage(stage)
        self.sources.of_validation()

    def _start(self) -> None:
        network, initial = self.settings.network, self.settings.initial_weights
        first = self.sources.of_stage(self.settings.stages[0])
        start_from_label_sizes(self.learner, network, first)
        if initial is not None:
            start_from_network(self.learner, network, self.sources.labels, read_place(initial))

    def _share_bias(self) -> None:
        # Machines of two kinds may count labels differently, by a rounding in the samples.
        bias = self.learner.head.bias
        bias.assign(np.array(exchange(self.strategy, bias.numpy().tolist())[0], np.float32))

    def _restore(self, checkpoint: Checkpoint) -> None:
        check_data(checkpoint, self.sources.fingerprint, self.settings, self.place)
        try:
            self.learner.restore(checkpoint.bundle.weights, checkpoint.optimizer)
        except CheckpointError as error:
            raise CheckpointError(f"{self.place}: {error}") from error
        self.step = checkpoint.step

    def bundle(self) -> Bundle:
        """The network as it is now, with its averaged weights if there are any."""
        labels, weights = self.sources.labels, self.learner.weights()
        return bundle_at(self.step, self.settings, labels, weights, self._info)

    def save(self) -> None:
        """Writes a checkpoint of the present state; only one of several workers does."""
        if not self.writes:
            return
        state = state_at(self.step, self.settings, self.sources.fingerprint)
        kept = self.settings.keep_checkpoints, self.settings.keep_every_steps
        checkpoint = Checkpoint(self.bundle(), self.learner.state(), state)
        if self.mirror is None:
            save_checkpoint(self.run, checkpoint, *kept)
            return
        self.mirror.send_checkpoint(save_checkpoint(self.run, checkpoint, keep=1), *kept)
        self.send_rest()

    def send_rest(self) -> None:
        """Brings logs and best network to object storage, if the run is there."""
        if self.writes and self.mirror is not None:
            self.mirror.send_rest(self.run)

    def batches(self, source: BatchSource) -> Iterator[Batch]:
        """Batches from the present step on, shared between the devices.

        Taking one raises `TrainerError` if a sample cannot be made.
        """

        def shared(context: tf.distribute.InputContext) -> tf.data.Dataset:
            shard = shard_of(context, self.settings.batch_size, self.step)
            samples = source.dataset(shard)
            # What differs in size bears padding.
            return samples.padded_batch(self._per_replica, drop_remainder=True).prefetch(2)

        return made(self.strategy.distribute_datasets_from_function(shared))

    def make_step(self, stage: Stage, source: BatchSource) -> TrainStep:
        """The compiled step of a stage."""
        return TrainStep(self.settings, stage, source, self.learner)

    def validate(self) -> HeldOutScores | None:
        """Scores on the validation scans, the same every time; `None` without any."""
        return self._scorer() if self._scorer else None

    @cached_property
    def _scorer(self) -> HeldOutScorer | None:
        source = self.sources.of_validation()
        if source is None:
            return None
        labels = self.sources.labels
        stem, samples = self.settings.network.stem, self.settings.validation.samples
        return HeldOutScorer(source, self.learner, stem, (labels.values, labels.names), samples)
