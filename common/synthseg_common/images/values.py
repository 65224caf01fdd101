"""Voxels as float32, also where their numbers are beyond its range."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthseg_common.arrays import AnyArray, Float32Array

# Differences and squares of intensities, and sums over a neighbourhood, stay within float32.
_LARGEST = 1e18
_SMALLEST = 1e-18
_ALWAYS_FIT = ("b", "i", "u")
_SHARE = 0.99  # quantile of the values that are not 0 that counts as their magnitude


def as_float32(values: AnyArray) -> tuple[Float32Array, tuple[str, ...]]:
    """Casts voxels, scaled by one factor where float32 would lose them.

    Single values beyond the range, which no scale could keep beside the others, become infinite,
    as if they had been written so; so does one number beyond it that many voxels share, by which
    programs mark those without a value.

    Args:
        values: Real numbers of any type.

    Returns:
        float32 of the same shape, which may hold NaN and infinities; notes for the user.
    """
    if values.dtype.kind in _ALWAYS_FIT:
        return values.astype(np.float32), ()
    with np.errstate(all="ignore"):
        largest = _largest(values)
        if largest == 0 or _SMALLEST <= largest <= _LARGEST:
            return values.astype(np.float32), ()
        values = _without_mark(values, largest)
        magnitude = _typical_magnitude(values)
        if magnitude == 0 or _SMALLEST <= magnitude <= _LARGEST:
            cast = values.astype(np.float32)
            cast[np.abs(cast) > _LARGEST] = np.inf
            return cast, ()
        # By a power of two: no digit is lost.
        scaled = np.ldexp(values, -int(np.round(np.log2(magnitude))))
        return scaled.astype(np.float32), (
            f"intensities around {magnitude:.0e} are beyond what float32 can compute with: "
            "scaled them all",
        )


def _without_mark(values: AnyArray, largest: np.floating[Any]) -> AnyArray:
    """The same, with the largest magnitude infinite where it is the only one beyond the range."""
    if largest <= _LARGEST:
        return values
    magnitudes = np.abs(values)
    beyond = np.isfinite(values) & (magnitudes > _LARGEST)
    if np.any(magnitudes[beyond] != largest):
        return values
    return np.where(beyond, values.dtype.type(np.inf), values)


def _typical_magnitude(values: AnyArray) -> np.floating[Any]:
    """Of the larger finite values, or 0: the largest, unless it stands alone."""
    largest = _largest(values)
    if largest == 0 or _SMALLEST <= largest <= _LARGEST:
        return largest
    magnitudes = np.abs(values[np.isfinite(values) & (values != 0)])
    return values.dtype.type(np.quantile(magnitudes, _SHARE)) if magnitudes.size else largest


def _largest(values: AnyArray) -> np.floating[Any]:
    finite = np.isfinite(values)
    if not finite.all():
        values = values[finite]
    if values.size == 0:
        return np.float32(0)
    largest: np.floating[Any] = np.maximum(np.abs(values.max()), np.abs(values.min()))
    return largest
