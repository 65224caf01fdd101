"""Shape of the network. Importing this module loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from synthseg_trainer.errors import ConfigError

ACTIVATIONS = ("elu", "relu", "selu", "softplus", "tanh", "swish", "silu", "linear")
"""Those that can be served too."""


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Shape of the U-Net; the defaults are the released models'.

    Attributes:
        n_labels: Channels answered, background included.
        n_channels: Channels of the image.
        n_levels: Resolutions, each half the one above.
        convs_per_level: Convolutions at each resolution, on the way down and on the way up.
        features: Feature maps of the first level; each level doubles them.
        max_features: Largest number of feature maps; `None` for no limit.
        kernel_size: Edge of the convolution kernels in voxels.
        stem: Edge in voxels of the blocks that are folded into channels before the first level:
            with 2, the network works at half the resolution and predicts the 8 voxels of every
            block; 1 is the original.
        detail_features: Features of one more convolution at the finest level, on its answer and the
            image, beside that answer before the last layer: with a stem, what tells the voxels of a
            block apart. 0 for none, as in the original.
        activation: One of `ACTIVATIONS`.
        normalization: `batch` as in the released models, which needs long training until its
            moving statistics suit every contrast; or `instance`, which takes the statistics of each
            scan.
    """

    n_labels: int
    n_channels: int = 1
    n_levels: int = 5
    convs_per_level: int = 2
    features: int = 24
    max_features: int | None = None
    kernel_size: int = 3
    stem: int = 1
    detail_features: int = 0
    activation: str = "elu"
    normalization: Literal["batch", "instance"] = "batch"

    def __post_init__(self) -> None:
        """Refuses what makes no network.

        Raises:
            ConfigError: A number is out of its range, or a name unknown.
        """
        least = {
            "n_labels": 2,
            "n_channels": 1,
            "n_levels": 2,
            "convs_per_level": 1,
            "features": 1,
            "max_features": 1,
            "kernel_size": 1,
            "stem": 1,
            "detail_features": 0,
        }
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"network.{name} must be at least {low}, got {value}.")
        if self.activation not in ACTIVATIONS:
            raise ConfigError(
                f"network.activation must be one of {', '.join(ACTIVATIONS)}, "
                f"got {self.activation!r}."
            )
        if self.normalization not in ("batch", "instance"):
            raise ConfigError(
                f"network.normalization must be 'batch' or 'instance', got {self.normalization!r}."
            )
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"network.kernel_size must be odd, got {self.kernel_size}.")

    @property
    def size_multiple(self) -> int:
        """Image axes must be multiples of this, in voxels."""
        multiple: int = self.stem * 2 ** (self.n_levels - 1)
        return multiple

    def features_at(self, level: int) -> int:
        """Feature maps of a level, 0 the finest."""
        features: int = self.features * 2**level
        return features if self.max_features is None else min(features, self.max_features)
