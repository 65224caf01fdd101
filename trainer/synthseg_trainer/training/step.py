"""One optimizer step on all devices: samples, network, loss, gradient, update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from synthseg_trainer.aliases import Batch, Tensor
from synthseg_trainer.config import Stage, TrainSettings
from synthseg_trainer.network.head import head_logits
from synthseg_trainer.training.batch import draw_subvoxels, fold_labels, fold_target
from synthseg_trainer.training.learner import Learner
from synthseg_trainer.training.losses import Terms, near_boundaries, sample_terms
from synthseg_trainer.training.sources import BatchSource


@dataclass(frozen=True)
class StepResult:
    """What a step found.

    Attributes:
        loss: Loss of the whole batch.
        healthy: Whether the loss and the gradients on all devices are finite numbers.
        samples: Loss of each sample that this process computed, by its number.
        suspects: Those of them that are not finite, or share a device with a gradient that is not.
        stop: Whether a worker was asked to stop.
    """

    loss: float
    healthy: bool
    samples: dict[int, float]
    suspects: tuple[int, ...]
    stop: bool


class _Replica(NamedTuple):
    """What one replica returns: sums over all replicas, and its own samples."""

    loss: Tensor
    health: Tensor
    stop: Tensor
    numbers: Tensor
    losses: Tensor
    own_health: Tensor


class TrainStep:
    """The compiled step of a stage; calling it changes the weights.

    Args:
        settings: The run.
        stage: Its stage.
        source: Makes images and targets.
        learner: Network and optimizer.
    """

    def __init__(
        self, settings: TrainSettings, stage: Stage, source: BatchSource, learner: Learner
    ) -> None:
        self._settings = settings
        self._stage = stage
        self._source = source
        self._learner = learner
        self._terms_of = sample_terms(stage.loss, stage.weights)
        # Nothing in it is for AutoGraph, whose look at every line takes longer than tracing them.
        self._compiled = tf.function(self._step, autograph=False)

    def __call__(self, batch: Batch, asked: bool = False) -> StepResult:
        """Takes a step.

        Args:
            batch: Elements of the source, shared between the devices.
            asked: Whether this process was asked to stop.
        """
        results = self._compiled(batch, tf.constant(float(asked)))
        local = [
            _Replica(*(np.asarray(value) for value in values))
            for values in zip(*map(self._local, results), strict=True)
        ]
        first = local[0]
        samples = {
            int(k): float(loss)
            for replica in local
            for k, loss in zip(replica.numbers, replica.losses, strict=True)
        }
        suspects = [
            int(k)
            for replica in local
            for k, loss in zip(replica.numbers, replica.losses, strict=True)
            if not np.isfinite(loss)
        ] or [int(k) for r in local if not np.isfinite(r.own_health) for k in r.numbers]
        return StepResult(
            loss=float(first.loss),
            healthy=bool(np.isfinite(first.loss) and np.isfinite(first.health)),
            samples=samples,
            suspects=tuple(sorted(suspects)),
            stop=bool(first.stop > 0),
        )

    def _local(self, value: Tensor) -> Sequence[Tensor]:
        values: Sequence[Tensor] = self._learner.strategy.experimental_local_results(value)
        return values

    def _step(self, batch: Batch, asked: Tensor) -> _Replica:
        results: _Replica = self._learner.strategy.run(self._replica_step, args=(batch, asked))
        self._learner.update_average()
        return results

    def _replica_step(self, batch: Batch, asked: Tensor) -> _Replica:
        gradients: list[Tensor] = []
        terms: list[Terms] = []
        for part in self._passes(batch):
            # A pass begins when the one before is done: only one at a time is held in memory.
            with tf.control_dependencies(gradients):
                found, found_terms = self._gradients(part)
                pairs = zip(gradients, found, strict=True) if gradients else None
                gradients = [a + b for a, b in pairs] if pairs else found
                terms += found_terms
        total = tf.add_n([term.total for term in terms])
        weight = tf.add_n([term.weight for term in terms])
        health = self._health(gradients)
        # The optimizer sums the gradients itself. `asked` is one for all, and needs copies here.
        own = [total, weight, health, tf.identity(asked)]
        context = tf.distribute.get_replica_context()
        sums = context.all_reduce(tf.distribute.ReduceOp.SUM, own)
        all_total, all_weight, all_health, stop = sums
        self._learner.apply([gradient / all_weight for gradient in gradients])
        losses = tf.stack([term.total / term.weight for term in terms])
        return _Replica(all_total / all_weight, all_health, stop, batch["k"], losses, health)

    def _passes(self, batch: Batch) -> list[Batch]:
        passes = self._settings.accumulate_steps
        size = batch["k"].shape[0] // passes
        return [
            tf.nest.map_structure(lambda value, i=i: value[i * size : (i + 1) * size], batch)
            for i in range(passes)
        ]

    def _gradients(self, batch: Batch) -> tuple[list[Tensor], list[Terms]]:
        """Gradient of the sum of totals, times the optimizer's scale, and terms of each sample."""
        learner = self._learner
        images, targets = self._source.render(batch)
        with tf.GradientTape() as tape:
            features = learner.body(images, training=True)
            terms = [
                self._sample_terms(features[i], targets[i], batch["k"][i])
                for i in range(targets.shape[0])
            ]
            scaled = learner.optimizer.scale_loss(tf.add_n([term.total for term in terms]))
        return tape.gradient(scaled, learner.variables), terms

    def _sample_terms(self, features: Tensor, target: Tensor, k: Tensor) -> Terms:
        settings, weights = self._settings, self._stage.weights
        stem, n_labels = settings.network.stem, settings.network.n_labels
        folded, kept = fold_target(target[None], stem)[0], None
        near = None
        if weights.boundary > 0:
            near = fold_labels(near_boundaries(target, n_labels, weights.boundary_distance), stem)
        if settings.scored_subvoxels is not None:
            key = tf.stack([tf.constant(settings.seed, tf.int64), tf.cast(k, tf.int64)])
            kept = draw_subvoxels(settings.scored_subvoxels, stem, key)
            folded = tf.gather(folded, kept, axis=-1)
            near = None if near is None else tf.gather(near, kept, axis=-2)
        logits = head_logits(self._learner.head, features[None], stem, kept)
        return self._terms_of(
            tf.reshape(logits, (-1, n_labels)),
            tf.reshape(folded, (-1,)),
            None if near is None else tf.reshape(near, (-1, n_labels)),
        )

    def _health(self, gradients: Sequence[Tensor]) -> Tensor:
        """Not finite if a gradient is not; half-width gradients may be, and are then skipped."""
        if self._learner.skips_overflows:
            return tf.zeros(())
        return tf.linalg.global_norm(gradients)
