"""Mixture of Gaussians, bias field, gamma, normalisation. Arithmetic runs on any Keras backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from synthseg_generator.graph.interpolation import enlarge, make_linear_weights, place_enlarged

Tensor = Any

# Least range that is divided by, so that a constant channel stays finite (the original adds it).
_EPSILON = 1e-7
# A log field beyond is cut: float32 has no exponential of 89, and black times infinity is NaN.
_LARGEST_LOG = 80.0


def apply_mixture(labels: Tensor, means: Tensor, stds: Tensor, noise: Tensor) -> Tensor:
    """Paints each label with its Gaussian.

    Args:
        labels: Integers `[x, y, z]`, indices into the label table.
        means: float32 `[label, channel]`.
        stds: float32 `[label, channel]`.
        noise: float32 `[x, y, z, channel]`, standard normal.

    Returns:
        float32 `[x, y, z, channel]`.
    """
    labels = ops.cast(labels, "int32")
    return ops.take(means, labels, axis=0) + ops.take(stds, labels, axis=0) * noise


def apply_bias_field(image: Tensor, log_nodes: Tensor) -> Tensor:
    """Multiplies a scan by a smooth positive field, 1 where `log_nodes` is 0.

    Args:
        image: float32 `[x, y, z, channel]`.
        log_nodes: float32 `[i, j, k, channel]`, enlarged linearly to the volume.

    Returns:
        float32 `[x, y, z, channel]`, in the units of `image`.

    References:
        Billot et al. 2023, doi:10.1016/j.media.2023.102789.
    """
    weights = [
        make_linear_weights(place_enlarged(int(n), int(nodes)), int(nodes))
        for n, nodes in zip(image.shape[:3], log_nodes.shape[:3], strict=True)
    ]
    # Between the nodes it is linear, so the few of them may be cut instead of all voxels.
    log_nodes = ops.clip(log_nodes, -_LARGEST_LOG, _LARGEST_LOG)
    return image * ops.exp(enlarge(log_nodes, weights))


def apply_clip(image: Tensor, high: float) -> Tensor:
    """Cuts intensities to `[0, high]`."""
    return ops.clip(image, 0.0, high)


def apply_normalisation(image: Tensor) -> Tensor:
    """Scales each channel to [0, 1]; a constant channel becomes 0.

    The original adds a small number to the range. TensorFlow's graph optimiser adds it to `high`
    first, where float32 drops it, and 0 is divided by 0 where a channel is constant.

    Args:
        image: float32 `[x, y, z, channel]`.
    """
    axes = (0, 1, 2)
    low, high = ops.min(image, axis=axes), ops.max(image, axis=axes)
    scaled = (image - low) / ops.maximum(high - low, _EPSILON)
    # A compiler may compute the image once for its range and again here, and round otherwise.
    return ops.clip(scaled, 0.0, 1.0)


def apply_gamma(image: Tensor, exponents: Tensor | Sequence[float]) -> Tensor:
    """Raises normalised intensities to a power, channel by channel.

    Args:
        image: float32 `[x, y, z, channel]` in [0, 1]; what lies below by rounding counts as 0.
        exponents: float32 `[channel]`, positive.
    """
    return ops.power(ops.maximum(image, 0.0), exponents)
