"""From a label map to the part of it that a sample shows: deformed, cropped, flipped.

Deterministic: all that is random comes in as an argument. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops
from synthseg_common.labels import GenerationLabels

from synthseg_generator.draws.crop import measure_crop
from synthseg_generator.graph.deformation import compose_coordinates, integrate_displacement
from synthseg_generator.graph.interpolation import resize_nearest, sample_nearest
from synthseg_generator.settings.generator import GeneratorSettings

Tensor = Any


class Deformer:
    """Warps, crops and flips maps of one shape, for synthetic scans and for augmented ones alike.

    Args:
        settings: The generative model.
        labels: Table of the label maps.
        map_shape: Voxels of the label maps; a graph is built for one shape.
        voxel_size_mm: Voxel size of the label maps.

    Attributes:
        map_shape: Voxels of the label maps.
        region: Voxels of the map that a sample shows.
        shape: Voxels of the image and of the target.

    Raises:
        ConfigError: The settings do not fit the labels or the maps.
    """

    def __init__(
        self,
        settings: GeneratorSettings,
        labels: GenerationLabels,
        map_shape: Sequence[int],
        voxel_size_mm: float = 1.0,
    ) -> None:
        self.map_shape = tuple(int(side) for side in map_shape)
        labels = settings.labels.apply(labels)
        geometry = measure_crop(settings.crop, self.map_shape, voxel_size_mm)
        self.region, self.shape = geometry.region, geometry.shape
        self._elastic = settings.elastic
        channels = sorted({0, *labels.targets})
        self._flipped = np.array(labels.flip_indices, np.int32)
        self._channel_of_label = np.array(
            [channels.index(target) for target in labels.targets], np.int32
        )

    def deform(
        self, labels: Tensor, parameters: Mapping[str, Tensor], box_start: Tensor | None = None
    ) -> Tensor:
        """Warps, crops and flips a map: int32 `[x, y, z]` on its grid, indices into the table.

        Args:
            labels: Integers `[x, y, z]`, indices into the label table: the whole map, or the box
                that is needed.
            parameters: `SampleParameters.to_row()`.
            box_start: int32 `[3]`, first voxel of the box in the map; `None` for the whole map.
        """
        return self.look_up(labels, self.find_places(parameters), parameters, box_start)

    def find_places(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Where each voxel of the crop comes from: float32 `[x, y, z, 3]`, voxels of the map."""
        elastic = self._elastic
        displacement = integrate_displacement(
            parameters["velocity"], self.map_shape, elastic.integration_step, elastic.squarings
        )
        return compose_coordinates(
            displacement,
            parameters["matrix"],
            self.map_shape,
            self.region,
            parameters["crop_start"],
            parameters["flip"],
        )

    def look_up(
        self,
        labels: Tensor,
        places: Tensor,
        parameters: Mapping[str, Tensor],
        box_start: Tensor | None = None,
    ) -> Tensor:
        """Labels at these places, with the names of the other side if the sample is flipped."""
        cropped = ops.cast(sample_nearest(labels, places, self.map_shape, box_start), "int32")
        n_labels = len(self._flipped)
        names = ops.where(
            parameters["flip"],
            ops.convert_to_tensor(self._flipped),
            ops.arange(n_labels, dtype="int32"),
        )
        return ops.take(names, cropped, axis=0)

    def target(self, cropped: Tensor) -> Tensor:
        """What the network shall answer: int32 in the image's voxels, channels of the network."""
        shown = resize_nearest(cropped, self.shape)
        return ops.take(ops.convert_to_tensor(self._channel_of_label), shown, axis=0)
