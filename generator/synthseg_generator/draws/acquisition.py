"""Draws of the simulated scanner. NumPy alone."""

from __future__ import annotations

import numpy as np

from synthseg_generator.arrays import Doubles
from synthseg_generator.settings.acquisition import Acquisition


def draw_resolutions(
    config: Acquisition, n_channels: int, rng: np.random.Generator, native_mm: float = 1.0
) -> tuple[Doubles, Doubles]:
    """Slice spacing and slice thickness of every channel, drawn or fixed.

    Args:
        config: The simulated scanner.
        n_channels: How many channels.
        rng: Source of the draws; it moves on alike where they are fixed.
        native_mm: Voxel size of the label map.

    Returns:
        Spacing and thickness in mm, float64 `[channel, 3]` each.
    """
    rows = [draw_resolution(config, rng, native_mm) for _ in range(n_channels)]
    spacing, thickness = zip(*(config.fixed_rows(n_channels, native_mm) or rows), strict=True)
    return np.array(spacing), np.array(thickness)


def draw_resolution(
    config: Acquisition, rng: np.random.Generator, native_mm: float = 1.0
) -> tuple[Doubles, Doubles]:
    """Draws slice spacing and slice thickness of one channel.

    The original draws both chances once for a batch; here each sample has its own.

    Args:
        config: The simulated scanner.
        rng: Source of the draws.
        native_mm: Voxel size of the label map, the finest spacing.

    Returns:
        Spacing and thickness in mm, float64 `[3]` each.
    """
    isotropic = rng.random() < config.isotropic_probability
    native = rng.random() < config.native_probability
    spacing = np.full(3, native_mm)
    if isotropic:
        spacing = rng.uniform(native_mm, np.maximum(native_mm, config.max_isotropic_mm), 3)
    else:
        share, axis = rng.random(), rng.integers(3)
        coarsest = max(native_mm, config.max_anisotropic_mm[axis])
        spacing[axis] = native_mm + (coarsest - native_mm) * share
    if native:
        spacing = np.full(3, native_mm)
    return spacing, rng.uniform(native_mm, spacing)
