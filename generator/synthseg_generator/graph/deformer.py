"""From a label map to the part of it that a sample shows: deformed, cropped, flipped.

Deterministic: all that is random comes in as an argument. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from keras import ops
from synthseg_common.labels import GenerationLabels

from synthseg_generator.draws.crop import measure_crop
from synthseg_generator.draws.shape import find_velocity_shape
from synthseg_generator.graph.deformation import (
    Bend,
    compose_coordinates,
    find_integration_shape,
    integrate_displacement,
)
from synthseg_generator.graph.field_of_view import apply_field_of_view
from synthseg_generator.graph.growth import GrowthField
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
        x, y, z = (int(side) for side in map_shape)
        self.map_shape = (x, y, z)
        labels = settings.labels.apply(labels)
        geometry = measure_crop(settings.crop, self.map_shape, voxel_size_mm)
        self.region, self.shape = geometry.region, geometry.shape
        self._elastic = settings.elastic
        self._growth = self._make_growth(settings, labels, voxel_size_mm)
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
        places = self.find_places(labels, parameters, box_start)
        return self.look_up(labels, places, parameters, box_start)

    def find_places(
        self, labels: Tensor, parameters: Mapping[str, Tensor], box_start: Tensor | None = None
    ) -> Tensor:
        """Where each voxel of the crop comes from: float32 `[x, y, z, 3]`, voxels of the map.

        Args:
            labels: As for `deform`; they matter where structures grow.
            parameters: `SampleParameters.to_row()`.
            box_start: As for `deform`.
        """
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
            self._find_bend(labels, parameters, box_start),
        )

    def _find_bend(
        self, labels: Tensor, parameters: Mapping[str, Tensor], box_start: Tensor | None
    ) -> Bend | None:
        """What the growth of structures displaces, if the settings have any."""
        growth, growth_mm = self._growth, parameters.get("growth_mm")
        if growth is None or growth_mm is None:
            return None
        field = growth.compute(labels, growth_mm, box_start)
        return Bend(growth.nodes, partial(growth.look_up, field))

    def _make_growth(
        self, settings: GeneratorSettings, labels: GenerationLabels, voxel_size_mm: float
    ) -> GrowthField | None:
        if not settings.growth:
            return None
        velocity = find_velocity_shape(settings.elastic, self.map_shape)
        nodes = find_integration_shape(self.map_shape, settings.elastic.integration_step, velocity)
        return GrowthField(settings.growth, labels, self.map_shape, voxel_size_mm, nodes)

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

    def target(self, cropped: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """What the network shall answer: int32 in the image's voxels, channels of the network.

        Args:
            cropped: As `deform` gives it.
            parameters: `SampleParameters.to_row()`.
        """
        shown = resize_nearest(cropped, self.shape)
        channels = ops.take(ops.convert_to_tensor(self._channel_of_label), shown, axis=0)
        return self.hide_unseen(channels, parameters)

    def hide_unseen(self, volume: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Puts 0 where the scan does not reach: an image or a target, `[x, y, z, ...]`."""
        shares = parameters.get("field_of_view")
        return volume if shares is None else apply_field_of_view(volume, shares)
