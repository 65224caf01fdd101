"""Taps of a kernel that meet the same voxel where a volume was upsampled by 2. NumPy alone."""

from __future__ import annotations

import numpy as np
from synthseg_common.arrays import Float32Array


def meeting_taps(kernel_size: int) -> Float32Array:
    """Which taps, along one axis, meet which low-resolution voxel.

    Args:
        kernel_size: Odd edge of the kernel that is applied after nearest upsampling.

    Returns:
        float32 `[2, w, kernel_size]`, 1 or 0: parity of the upsampled voxel, voxel of its window
        from `window_start` on, tap; w = (k + 1) / 2.
    """
    radius = kernel_size // 2
    taps = np.zeros((2, radius + 1, kernel_size), np.float32)
    for parity in (0, 1):
        for tap in range(kernel_size):
            window = (parity + tap - radius) // 2 - window_start(parity, radius)
            taps[parity, window, tap] = 1
    return taps


def window_start(parity: int, radius: int) -> int:
    """First low-resolution voxel that a kernel meets, from that of the upsampled voxel on."""
    return (parity - radius) // 2
