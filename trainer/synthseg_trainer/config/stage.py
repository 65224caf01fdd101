"""A stretch of training: its loss, rate and generative model. Loads nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from synthseg_generator.settings.generator import GeneratorSettings

from synthseg_trainer.errors import ConfigError

LOSS_NAMES = ("wl2", "dice", "cross_entropy", "dice_cross_entropy")


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What counts more in a loss.

    Attributes:
        background: Weight of a background voxel in `wl2`, where others have 1: 1e-8 for the
            released model, 1e-4 in 2021. The other weights are for the other losses.
        classes: One weight per channel of the network, background first and then by ascending label
            value; scaled to a mean of 1, so that equal weights change nothing. `None` for none.
        inverse_volume: Weigh every label by the inverse of its volume in the sample instead; labels
            that are not in the sample have no weight.
        boundary: Added to the weight of voxels near the boundary of a label, which is 1 elsewhere.
        boundary_distance: What counts as near: a distance in voxels along each axis.
    """

    background: float = 1e-8
    classes: tuple[float, ...] | None = None
    inverse_volume: bool = False
    boundary: float = 0.0
    boundary_distance: int = 3

    def __post_init__(self) -> None:
        """Refuses weights that weigh nothing.

        Raises:
            ConfigError: A weight is negative, all are zero, or two ways to weigh are given.
        """
        if self.background <= 0:
            raise ConfigError(f"weights.background must be positive, got {self.background}.")
        if self.boundary < 0 or self.boundary_distance < 1:
            raise ConfigError(
                "weights.boundary must not be negative and weights.boundary_distance at least 1, "
                f"got {self.boundary} and {self.boundary_distance}."
            )
        if self.classes is None:
            return
        if self.inverse_volume:
            raise ConfigError("weights: give classes or inverse_volume, not both.")
        if min(self.classes, default=-1.0) < 0 or not any(self.classes):
            raise ConfigError(
                f"weights.classes must not be negative nor all 0, got {list(self.classes)}."
            )

    @property
    def only_background(self) -> bool:
        """Whether labels and boundaries weigh alike."""
        return self.classes is None and not self.inverse_volume and self.boundary == 0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of training with one loss and one generative model.

    Attributes:
        name: What logs and messages call it.
        steps: Optimizer steps of this stage; files may say `epochs` instead, see `load_settings`.
        loss: One of `LOSS_NAMES`.
        weights: Which voxels and labels count more in the loss.
        learning_rate: Adam's rate at the first step of the stage.
        final_learning_rate: Rate at its last step, reached along a cosine; `None` keeps it
            constant.
        fresh_optimizer: Reset Adam's moments at the first step, as the original does after its
            warm-up.
        generator: The generative model of this stage, complete.
    """

    name: str
    steps: int
    loss: str = "dice"
    weights: LossWeights = field(default_factory=LossWeights)
    learning_rate: float = 1e-4
    final_learning_rate: float | None = None
    fresh_optimizer: bool = False
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)

    def __post_init__(self) -> None:
        """Refuses a stage that cannot be trained.

        Raises:
            ConfigError: No steps, an unknown loss, weights that it does not know, or a rate that is
                not positive.
        """
        if self.steps < 1:
            raise ConfigError(f"stage {self.name}: steps must be at least 1, got {self.steps}.")
        if self.loss not in LOSS_NAMES:
            raise ConfigError(
                f"stage {self.name}: loss must be one of {', '.join(LOSS_NAMES)}, "
                f"got {self.loss!r}."
            )
        self._check_weights()
        if self.learning_rate <= 0 or (
            self.final_learning_rate is not None and self.final_learning_rate <= 0
        ):
            raise ConfigError(f"stage {self.name}: learning rates must be positive.")

    def _check_weights(self) -> None:
        if self.loss == "wl2" and not self.weights.only_background:
            raise ConfigError(
                f"stage {self.name}: wl2 weighs the background alone; "
                "class and boundary weights are for the other losses."
            )
        if self.loss != "wl2" and self.weights.background != LossWeights.background:
            raise ConfigError(
                f"stage {self.name}: weights.background is for wl2; "
                f"{self.loss} weighs the background by the first of weights.classes."
            )

    def learning_rate_at(self, step: int) -> float:
        """Rate at a step of the stage, 0 the first."""
        if self.final_learning_rate is None or self.steps == 1:
            return self.learning_rate
        share = 0.5 * (1 + math.cos(math.pi * min(step / (self.steps - 1), 1.0)))
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * share
