"""What the draws know of a label map, and the store says of it."""

from __future__ import annotations

from dataclasses import dataclass

from synthseg_generator.settings.ranges import Shape, Triple


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
