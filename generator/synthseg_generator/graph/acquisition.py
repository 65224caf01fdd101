"""Slice spacing and thickness: blur, downsampling and enlargement as one matrix per axis.

Official SynthSeg blurs with a 3-D convolution, picks voxels and enlarges trilinearly; all three are
linear and separable, so along each axis they are one matrix, applied by `einsum`. Arithmetic runs
on any Keras backend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from synthseg_generator.graph.interpolation import enlarge
from synthseg_generator.settings.acquisition import Acquisition

Tensor = Any

# Blur width per millimetre of slice thickness, and the width where nothing is coarser than the map
# (official).
_SIGMA_PER_MM = 0.75
_NATIVE_SIGMA = 0.5


def compute_blur_sigma(spacing_mm: Tensor, thickness_mm: Tensor, native_mm: float) -> Tensor:
    """Width of the blur that a slice of this spacing and thickness causes.

    Args:
        spacing_mm: float32 `[...]`, distance between acquired voxels.
        thickness_mm: float32 `[...]`, their extent.
        native_mm: Voxel size of the label map.

    Returns:
        float32 `[...]`, standard deviation in voxels of the map; 0.5 at native resolution, 0 for no
        thickness.
    """
    extent = ops.minimum(spacing_mm, thickness_mm)
    sigma = _SIGMA_PER_MM * extent / native_mm
    sigma = ops.where(ops.equal(extent, native_mm), _NATIVE_SIGMA, sigma)
    return ops.where(ops.equal(extent, 0.0), 0.0, sigma)


def compute_window_reach(max_sigma: float) -> int:
    """Voxels that the truncated Gaussian reaches to either side (official window)."""
    return int(math.ceil(2.5 * max_sigma) / 2)


def compute_blur_reaches(
    config: Acquisition, n_channels: int, native_mm: float
) -> tuple[tuple[int, ...], ...]:
    """Where the blur of every channel and axis is cut off, in voxels of the map.

    A drawn blur has the window of the widest that can be drawn, a fixed one that of its own width
    (both official).
    """
    widest = np.maximum(config.max_isotropic_mm, config.max_anisotropic_mm)
    drawn = tuple(compute_window_reach(_SIGMA_PER_MM * side / native_mm) for side in widest)
    fixed = config.fixed_rows(n_channels, native_mm)
    if not fixed:
        return (drawn,) * n_channels
    return tuple(
        tuple(
            compute_window_reach(_fixed_sigma(*axis, native_mm))
            for axis in zip(spacing, thickness, strict=True)
        )
        for spacing, thickness in fixed
    )


def _fixed_sigma(spacing_mm: float, thickness_mm: float, native_mm: float) -> float:
    extent = min(spacing_mm, thickness_mm)
    return _NATIVE_SIGMA if extent == native_mm else _SIGMA_PER_MM * extent / native_mm


def make_gaussian_weights(offsets: Tensor, sigma: Tensor, reach: int) -> Tensor:
    """Truncated Gaussian at some offsets, normalised over the whole window.

    Args:
        offsets: float32 `[...]`, distance from the centre in voxels.
        sigma: float32 scalar; 0 leaves the centre alone.
        reach: Offsets beyond are 0.

    Returns:
        float32 `[...]`.
    """
    window = ops.cast(ops.arange(-reach, reach + 1), "float32")
    # A width of 0 would divide by 0: the smallest normal width puts all weight on the centre.
    precision = 0.5 / ops.square(ops.maximum(sigma, 1e-3))
    total = ops.sum(ops.exp(-precision * ops.square(window)))
    kernel = ops.exp(-precision * ops.square(offsets)) / total
    return ops.where(ops.abs(offsets) <= reach, kernel, 0.0)


def make_acquisition_weights(
    n_in: int,
    n_out: int,
    spacing: Tensor,
    sigma: Tensor,
    reach: int,
    *,
    repeat_last: bool = False,
) -> Tensor:
    """Matrix of one axis: blur, then acquire every `spacing` voxels, then enlarge linearly.

    Acquired voxels are counted from the first (no half-voxel shift) and looked up by rounding. Blur
    sees zeros outside the volume.

    Args:
        n_in: Voxels of the crop.
        n_out: Voxels of the result.
        spacing: float32 scalar, voxels of the crop between acquired ones.
        sigma: float32 scalar, blur width in voxels.
        reach: Truncation of the blur in voxels.
        repeat_last: What the enlargement reads beyond the last acquired voxel: that voxel again, or
            the last one of the crop (the original does the one where the spacing is fixed, the
            other where it is drawn).

    Returns:
        float32 `[n_out, n_in]`.
    """
    # A slice wider than the crop shows all of it.
    acquired = ops.maximum(ops.floor(n_in / spacing), 1.0)
    place = ops.cast(ops.arange(n_out), "float32") * (acquired / n_out)
    lower = ops.floor(place)
    share = (place - lower)[:, None]
    voxels = ops.cast(ops.arange(n_in), "float32")[None, :]

    def blurred_row(index: Tensor) -> Tensor:
        index = ops.minimum(index, acquired - 1.0) if repeat_last else index
        source = ops.clip(ops.round(index * (n_in / acquired)), 0.0, n_in - 1.0)
        return make_gaussian_weights(voxels - source[:, None], sigma, reach)

    return (1.0 - share) * blurred_row(lower) + share * blurred_row(lower + 1.0)


def apply_acquisition(
    image: Tensor,
    spacing_mm: Tensor,
    thickness_mm: Tensor,
    blur_factor: Tensor,
    *,
    reaches: Sequence[Sequence[int]],
    native_mm: float = 1.0,
    out_shape: Sequence[int] | None = None,
    repeat_last: bool = False,
) -> Tensor:
    """Shows the image as a scanner with this slice spacing and thickness would.

    The blur is normalised for each sample; the original divides by the batch size too.

    Args:
        image: float32 `[x, y, z, channel]`.
        spacing_mm: float32 `[channel, 3]`.
        thickness_mm: float32 `[channel, 3]`.
        blur_factor: float32 `[channel, 3]`, multiplies the blur width.
        reaches: For every channel and axis, where the blur is cut off in voxels.
        native_mm: Voxel size of the image.
        out_shape: Voxels of the result over the same region; those of the image by default.
        repeat_last: See `make_acquisition_weights`.

    Returns:
        float32 `[x, y, z, channel]`.
    """
    shape = [int(side) for side in image.shape[:3]]
    out = list(out_shape or shape)
    sigma = compute_blur_sigma(spacing_mm, thickness_mm, native_mm) * blur_factor
    channels = []
    for channel in range(image.shape[3]):
        weights = [
            make_acquisition_weights(
                shape[axis],
                out[axis],
                spacing_mm[channel, axis] / native_mm,
                sigma[channel, axis],
                reaches[channel][axis],
                repeat_last=repeat_last,
            )
            for axis in range(3)
        ]
        channels.append(enlarge(image[..., channel : channel + 1], weights))
    return channels[0] if len(channels) == 1 else ops.concatenate(channels, axis=-1)
