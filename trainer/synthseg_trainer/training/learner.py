"""What learns: the network, its optimizer, and the moving average of its weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf
from synthseg_common.arrays import AnyArray, FloatArray

from synthseg_trainer.aliases import Tensor, Weights
from synthseg_trainer.config import TrainSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import assign_weights, weights_of
from synthseg_trainer.network.layer_names import LOGITS
from synthseg_trainer.network.unet import build_unet
from synthseg_trainer.training.optimizers import build_optimizer


class Learner:
    """Network and optimizer of a run, on all of its devices.

    Building it seeds Keras' generators and sets its precision, which are the process's own: layers
    read both when they are made. The precision is the usual one again afterwards.

    Args:
        settings: The run.
        strategy: The devices.
    """

    def __init__(self, settings: TrainSettings, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        self._clip_norm = settings.adam.clip_norm
        decay = settings.average_decay
        self._new_share = 0.0 if decay is None else 1.0 - decay
        keras.utils.set_random_seed(settings.seed)
        keras.mixed_precision.set_global_policy(settings.precision)
        with strategy.scope():
            self.model = build_unet(
                settings.network, synchronized=strategy.num_replicas_in_sync > 1
            )
            # The loss applies the last layer itself, to the sub-voxels that it scores.
            self.head = self.model.get_layer(LOGITS)
            self.body = keras.Model(self.model.input, self.head.input)
            self.variables = self.model.trainable_variables
            self.optimizer = build_optimizer(settings, self.variables)
            averaged = self.variables if decay is not None else []
            self._averages = [tf.Variable(v.numpy(), trainable=False) for v in averaged]
        keras.mixed_precision.set_global_policy("float32")

    @property
    def skips_overflows(self) -> bool:
        """Whether the optimizer leaves out steps whose gradient overflowed."""
        return isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)

    def apply(self, gradients: Sequence[Tensor]) -> None:
        """Updates the weights, in a replica: the sum of the gradients of all replicas counts."""
        replicas = self.strategy.num_replicas_in_sync
        clips = self._clip_norm is not None
        # Keras clips, and looks for overflows, before it sums over the replicas.
        if replicas > 1 and (clips or self.skips_overflows):
            context = tf.distribute.get_replica_context()
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
        if clips:
            longest = self.optimizer.scale_loss(tf.constant(self._clip_norm, tf.float32))
            gradients, _ = tf.clip_by_global_norm(gradients, longest)
        if replicas > 1 and (clips or self.skips_overflows):
            gradients = [gradient / replicas for gradient in gradients]
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))

    def update_average(self) -> None:
        """Moves the average towards the weights; outside of replicas."""
        for average, variable in zip(self._averages, self.variables, strict=False):
            self.strategy.extended.update(average, self._move, args=(variable.value,))

    def _move(self, average: tf.Variable, value: Tensor) -> None:
        average.assign_sub(self._new_share * (average - value))

    def forget_moments(self) -> None:
        """Starts the optimizer anew."""
        inner = self.optimizer.inner_optimizer if self.skips_overflows else self.optimizer
        for variable in inner.variables:
            variable.assign(tf.zeros(variable.shape, variable.dtype))

    def start_average(self) -> None:
        """Starts the average at the present weights."""
        for average, variable in zip(self._averages, self.variables, strict=False):
            average.assign(variable.value)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """While it is open the network has the averaged weights, if there is an average."""
        kept = [variable.numpy() for variable in self.variables] if self._averages else []
        for average, variable in zip(self._averages, self.variables, strict=False):
            variable.assign(average.numpy())
        try:
            yield
        finally:
            for value, variable in zip(kept, self.variables, strict=False):
                variable.assign(value)

    def weights(self) -> dict[str, FloatArray]:
        """The weights to use, averaged if there is an average, by `<layer>/<variable>`."""
        with self.averaged():
            return weights_of(self.model)

    def state(self) -> tuple[AnyArray, ...]:
        """The optimizer's variables and, with an average, the weights that it is the average of."""
        own = self.variables if self._averages else []
        return tuple(np.asarray(v.numpy()) for v in [*self.optimizer.variables, *own])

    def restore(self, weights: Weights, state: Sequence[AnyArray]) -> None:
        """The way back of `weights` and `state`.

        Raises:
            CheckpointError: They are those of another network or optimizer.
        """
        assign_weights(self.model, weights)
        self.start_average()
        variables = [*self.optimizer.variables, *(self.variables if self._averages else [])]
        if len(variables) != len(state):
            raise CheckpointError(
                f"the optimizer has {len(state)} variables, expected {len(variables)}."
            )
        for variable, value in zip(variables, state, strict=True):
            variable.assign(value)
