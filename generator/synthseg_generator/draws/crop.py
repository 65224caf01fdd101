"""The part of the map that a sample shows: how large it is, and where it begins.

The sizes differ where the sample has other voxels than the map. Importing this loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from synthseg_generator.arrays import Doubles, Int32s
from synthseg_generator.errors import ConfigError
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.ranges import Shape, Triple, snap
from synthseg_generator.settings.shape import Crop

_ROUNDING = 1e-6


@dataclass(frozen=True)
class CropGeometry:
    """A crop on two grids.

    Attributes:
        region: Voxels of the map that the sample shows, along x, y, z.
        shape: Voxels of image and target.
    """

    region: Shape
    shape: Shape


def measure_crop(crop: Crop, map_shape: Sequence[int], voxel_size_mm: float) -> CropGeometry:
    """What the settings mean for maps of this shape.

    The rules are the original's: a whole map has as many voxels of the wanted spacing as lie in it
    wholly, less what `multiple` leaves over.

    Raises:
        ConfigError: Nothing of the map is left.
    """
    factors = _factors(crop, voxel_size_mm)
    if crop.shape is not None:
        return CropGeometry(_region(crop.shape, factors), crop.shape)
    # 10 voxels of 0.3 mm are 30 of 0.1 mm, though 0.3 / 0.1 is less than 3 in binary.
    inside = [
        int(side * factor + _ROUNDING) for side, factor in zip(map_shape, factors, strict=True)
    ]
    shape = _shape(side - side % crop.multiple for side in inside)
    if min(shape) < 1:
        raise ConfigError(
            f"crop.multiple {crop.multiple} leaves nothing of a map of {inside} voxels."
        )
    kept_whole = crop.multiple == 1
    return CropGeometry(_shape(map_shape) if kept_whole else _region(shape, factors), shape)


def find_least_map_shape(crop: Crop, voxel_size_mm: float) -> Shape:
    """The smallest map that a crop can be taken from; a whole map may have any size."""
    if crop.shape is None:
        return (1, 1, 1)
    return _region(crop.shape, _factors(crop, voxel_size_mm))


def _factors(crop: Crop, voxel_size_mm: float) -> Triple:
    """Voxels of the sample per voxel of the map."""
    if crop.spacing_mm is None:
        return (1.0, 1.0, 1.0)
    x, y, z = (voxel_size_mm / snap(spacing, voxel_size_mm) for spacing in crop.spacing_mm)
    return (x, y, z)


def _region(shape: Sequence[int], factors: Sequence[float]) -> Shape:
    return _shape(max(round(side / factor), 1) for side, factor in zip(shape, factors, strict=True))


def _shape(sides: Iterable[int]) -> Shape:
    x, y, z = (int(side) for side in sides)
    return (x, y, z)


def draw_crop(
    config: Crop, geometry: MapGeometry, matrix: Doubles, rng: np.random.Generator
) -> Int32s:
    """Draws where the crop begins in the warped map.

    As in the original, the last place that would fit is never drawn.

    Returns:
        int32 `[3]`, voxels.

    Raises:
        ConfigError: The crop is larger than the map.
    """
    region = measure_crop(config, geometry.shape, geometry.voxel_size_mm).region
    shape, crop = np.array(geometry.shape), np.array(region)
    if np.any(crop > shape):
        of_map = "" if region == config.shape else f" (that is {region} of its voxels)"
        raise ConfigError(
            f"crop.shape {config.shape}{of_map} is larger than the label map's {geometry.shape}."
        )
    draws = rng.random(3)
    if config.placement == "uniform":
        corner: Int32s = np.floor(draws * (shape - crop)).astype(np.int32)
        return corner
    middle = (shape - 1) / 2
    centre = middle if geometry.centre is None else np.array(geometry.centre)
    # The warp looks up `middle + A (p - middle) + t`: solve for the p that shows the structures'
    # centre.
    place = middle + np.linalg.solve(matrix[:, :3], centre - middle - matrix[:, 3])
    start = place - (crop - 1) / 2 + config.jitter * (2 * draws - 1)
    nearest: Int32s = np.clip(np.rint(start), 0, shape - crop).astype(np.int32)
    return nearest
