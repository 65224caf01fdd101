"""How large the sample is, and how large the part of the map that it shows.

The two differ where the sample has other voxels than the map. Importing this loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.ranges import Shape, Triple, snapped
from synthseg_generator.settings.shape import Crop

_ROUNDING = 1e-6


@dataclass(frozen=True)
class MapGeometry:
    """What a draw needs to know of a label map.

    Attributes:
        shape: Voxels along x, y, z.
        centre: Centre of the structures in voxels; `None` stands for the middle of the map.
        voxel_size_mm: Edge of its voxels, which are cubes.
        weight: How often it is taken, relative to other maps.
    """

    shape: Shape
    centre: Triple | None = None
    voxel_size_mm: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True)
class CropGeometry:
    """A crop on two grids.

    Attributes:
        region: Voxels of the map that the sample shows, along x, y, z.
        shape: Voxels of image and target.
    """

    region: Shape
    shape: Shape


def crop_geometry(crop: Crop, map_shape: Sequence[int], voxel_size_mm: float) -> CropGeometry:
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


def least_map_shape(crop: Crop, voxel_size_mm: float) -> Shape:
    """The smallest map that a crop can be taken from; a whole map may have any size."""
    if crop.shape is None:
        return (1, 1, 1)
    return _region(crop.shape, _factors(crop, voxel_size_mm))


def _factors(crop: Crop, voxel_size_mm: float) -> Triple:
    """Voxels of the sample per voxel of the map."""
    if crop.spacing_mm is None:
        return (1.0, 1.0, 1.0)
    x, y, z = (voxel_size_mm / snapped(spacing, voxel_size_mm) for spacing in crop.spacing_mm)
    return (x, y, z)


def _region(shape: Sequence[int], factors: Sequence[float]) -> Shape:
    return _shape(max(round(side / factor), 1) for side, factor in zip(shape, factors, strict=True))


def _shape(sides: Iterable[int]) -> Shape:
    x, y, z = (int(side) for side in sides)
    return (x, y, z)
