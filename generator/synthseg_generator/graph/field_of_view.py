"""Scans that end within the crop: beyond, nothing was seen. Runs on any Keras backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

Tensor = Any


def find_seen(shares: Tensor, shape: Sequence[int]) -> Tensor:
    """Which voxels a scan shows.

    Args:
        shares: float32 `[3, 2]`, where it begins and ends along each axis, as shares of the crop.
        shape: Voxels of the crop.

    Returns:
        bool `[x, y, z]`: whether the voxel's centre lies in between.
    """
    x, y, z = (
        (centres > shares[axis, 0]) & (centres < shares[axis, 1])
        for axis, centres in enumerate(
            (ops.cast(ops.arange(int(side)), "float32") + 0.5) / int(side) for side in shape
        )
    )
    return x[:, None, None] & y[None, :, None] & z[None, None, :]


def apply_field_of_view(volume: Tensor, shares: Tensor) -> Tensor:
    """Puts 0 where a scan shows nothing.

    Args:
        volume: `[x, y, z]` or `[x, y, z, channel]`, of any type.
        shares: See `find_seen`.

    Returns:
        The same shape and type.
    """
    seen = find_seen(shares, volume.shape[:3])
    seen = seen if len(volume.shape) == 3 else seen[..., None]
    return ops.where(seen, volume, ops.zeros_like(volume))
