"""The optimizers that a run may choose."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from synthseg_trainer.aliases import Tensor
from synthseg_trainer.config import AdamSettings, TrainSettings


def build_optimizer(
    settings: TrainSettings, variables: Sequence[keras.Variable]
) -> keras.optimizers.Optimizer:
    """The optimizer of a run, built for these variables.

    Args:
        settings: The run.
        variables: What it will change; biases and normalisations are never decayed.
    """
    build = _muon if settings.optimizer == "muon" else _adam
    optimizer = build(settings.adam, settings.stages[0].learning_rate)
    if settings.adam.weight_decay:
        # Biases and normalisations are vectors.
        optimizer.exclude_from_weight_decay([v for v in variables if len(v.shape) < 2])
    if settings.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def _adam(adam: AdamSettings, rate: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(
        rate,
        beta_1=adam.beta_1,
        beta_2=adam.beta_2,
        epsilon=adam.epsilon,
        weight_decay=adam.weight_decay or None,
    )


def _muon(adam: AdamSettings, rate: float) -> keras.optimizers.Optimizer:
    return KernelMuon(
        rate,
        adam_beta_1=adam.beta_1,
        adam_beta_2=adam.beta_2,
        epsilon=adam.epsilon,
        weight_decay=adam.weight_decay or None,
        adam_weight_decay=adam.weight_decay or None,
    )


@keras.saving.register_keras_serializable("synthseg")
class KernelMuon(keras.optimizers.Muon):  # type: ignore[misc]  # Keras ships no types
    """Muon for the kernels of convolutions, Adam for all other weights.

    Keras' own takes matrices alone; here a kernel `[x, y, z, in, out]` is the matrix
    `[x·y·z·in, out]` of the linear map from a neighbourhood to the features. The step is scaled so
    that its root mean square is 0.2 of the rate, about that of Adam: one rate serves both. The
    last layer, whose kernel is 1³, is left to Adam, as Muon's authors advise.

    References:
        Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; Liu et al. 2025,
        arXiv:2502.16982.
    """

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) != 5 or tuple(variable.shape[:3]) == (1, 1, 1)

    def _muon_update_step(
        self, gradient: Tensor, variable: keras.Variable, lr: Tensor, m: keras.Variable
    ) -> None:
        self.assign(m, ops.add(ops.multiply(m, self.momentum), gradient))
        ahead = ops.add(gradient, ops.multiply(m, self.momentum))
        matrix = ops.reshape(ahead, (-1, variable.shape[-1]))
        update = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        update = self.lr_adjust(ops.multiply(update, lr))
        self.assign_sub(variable, ops.reshape(update, variable.shape))
