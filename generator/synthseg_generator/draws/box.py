"""Which box of a label map a sample can look at: what a worker cuts and sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from synthseg_common.arrays import Float64Array, IntegerArray

from synthseg_generator.draws.growth import GrowthReach
from synthseg_generator.draws.sample_parameters import SampleParameters

# Nearest-neighbour look-ups reach half a voxel, and coordinates carry float32 rounding.
_MARGIN_VOXELS = 1.0
_NO_GROWTH = GrowthReach(0.0, 0.0)


@dataclass(frozen=True)
class Box:
    """A box of voxels.

    Attributes:
        start: First voxel along x, y, z.
        stop: The voxel after the last.
    """

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index into a volume."""
        x, y, z = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return (x, y, z)


def find_needed_box(
    parameters: SampleParameters, crop_shape: Sequence[int], growth: GrowthReach = _NO_GROWTH
) -> Box:
    """The smallest box that is sure to hold every voxel that a sample looks up.

    A voxel p of the warped map shows `c + A (p - c) + A u(p) + t` of the map. The first part is
    affine, so its range over the crop is found exactly at the corners. The displacement u is the
    flow of the velocity over unit time, so it never leaves the range of the velocity, and scaling
    and squaring with linear interpolation keeps that bound at every step. Growth is added to it at
    nodes that may lie a little outside of the crop.

    Args:
        parameters: The sample.
        crop_shape: Voxels of the crop.
        growth: How far its growth looks.

    Returns:
        A box within the map, at least one voxel wide.
    """
    matrix = np.asarray(parameters.matrix, np.float64)
    shape = np.asarray(parameters.map_shape)
    centre = (shape - 1) / 2
    first = np.asarray(parameters.crop_start) - centre - growth.nodes
    last = first + np.array(crop_shape) - 1 + 2 * growth.nodes
    velocity = np.asarray(parameters.velocity, np.float64).reshape(-1, 3)
    low, high = _range(matrix[:, :3], first + velocity.min(axis=0), last + velocity.max(axis=0))
    offset = centre + matrix[:, 3]
    margin = _MARGIN_VOXELS + growth.around
    start = np.clip(np.floor(low + offset - margin), 0, shape - 1).astype(int)
    stop = np.clip(np.ceil(high + offset + margin) + 1, start + 1, shape).astype(int)
    return Box(_triple(start), _triple(stop))


def _range(
    linear: Float64Array, low: Float64Array, high: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Smallest and largest value of every component of `linear @ v` over a box of v."""
    ends = np.stack([linear * low, linear * high])
    return ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)


def _triple(values: IntegerArray) -> tuple[int, int, int]:
    x, y, z = (int(value) for value in values)
    return (x, y, z)
