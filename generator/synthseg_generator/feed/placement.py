"""Where a sample lies in the world."""

from __future__ import annotations

import numpy as np

from synthseg_generator.arrays import AffineMatrix
from synthseg_generator.draws.sample_parameters import SampleParameters
from synthseg_generator.feed.samples import SampleSource


def locate_crop(source: SampleSource, parameters: SampleParameters) -> AffineMatrix:
    """Where the crop lies: in the place of the map that it was cut from, were that not deformed.

    Returns:
        float64 `[4, 4]`, voxel indices to RAS mm.
    """
    index = int(parameters.map_index)
    affine = source.store.affine(index)
    start = np.array(parameters.crop_start) - source.padding(source.store.shapes[index])
    affine[:3, 3] += affine[:3, :3] @ start
    spacing_mm = source.settings.crop.spacing_mm
    if spacing_mm is not None:
        # Other voxels than the map's are counted from the centre of the same first one.
        affine[:3, :3] *= np.array(spacing_mm) / source.store.voxel_size_mm
    return affine
