"""A label map and one row of parameters to an image and its target: SynthSeg's generative model.

Deterministic: all that is random comes in as an argument. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops
from synthseg_common.labels import GenerationLabels

from synthseg_generator.draws.crop import measure_crop
from synthseg_generator.graph.acquisition import apply_acquisition, compute_blur_reaches
from synthseg_generator.graph.deformation import compose_coordinates, integrate_displacement
from synthseg_generator.graph.gradients import GRADIENT_CLIP, measure_gradient
from synthseg_generator.graph.intensity import (
    apply_bias_field,
    apply_clip,
    apply_gamma,
    apply_mixture,
    apply_normalisation,
)
from synthseg_generator.graph.interpolation import resize_nearest, sample_nearest
from synthseg_generator.settings.generator import GeneratorSettings

Tensor = Any


class Synthesizer:
    """The fused generative graph for maps of one shape.

    Args:
        settings: The generative model.
        labels: Table of the label maps.
        map_shape: Voxels of the label maps; a graph is built for one shape.
        voxel_size_mm: Voxel size of the label maps.

    Attributes:
        noise_shape: Shape of the voxel noise: the crop on the grid of the map, and the channels.
        image_shape: Shape of the image; without channels, that of the target.

    Raises:
        ConfigError: The settings do not fit the labels or the maps.

    References:
        Billot et al. 2023, doi:10.1016/j.media.2023.102789.
    """

    def __init__(
        self,
        settings: GeneratorSettings,
        labels: GenerationLabels,
        map_shape: Sequence[int],
        voxel_size_mm: float = 1.0,
    ) -> None:
        self.settings = settings
        self.map_shape = tuple(int(side) for side in map_shape)
        self.voxel_size_mm = voxel_size_mm
        labels = settings.labels.apply(labels)
        self._geometry = measure_crop(settings.crop, self.map_shape, voxel_size_mm)
        self._reaches = compute_blur_reaches(
            settings.acquisition, settings.n_channels, voxel_size_mm
        )
        self.noise_shape = (*self._geometry.region, settings.n_channels)
        self.image_shape = (*self._geometry.shape, settings.n_channels)
        channels = sorted({0, *labels.targets})
        self._flipped = np.array(labels.flip_indices, np.int32)
        self._channel_of_label = np.array(
            [channels.index(target) for target in labels.targets], np.int32
        )

    def __call__(
        self,
        labels: Tensor,
        parameters: Mapping[str, Tensor],
        noise: Tensor,
        box_start: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Makes one image.

        Args:
            labels: Integers `[x, y, z]`, indices into the label table: the whole map, or the box
                that is needed.
            parameters: `SampleParameters.to_row()`.
            noise: float32 `noise_shape`, standard normal.
            box_start: int32 `[3]`, first voxel of the box in the map; `None` for the whole map.

        Returns:
            Image float32 `image_shape` in [0, 1], and target int32 of the same voxels: channels of
            the network.
        """
        cropped = self.deform(labels, parameters, box_start)
        return self.paint(cropped, parameters, noise), self.target(cropped)

    def deform(
        self, labels: Tensor, parameters: Mapping[str, Tensor], box_start: Tensor | None = None
    ) -> Tensor:
        """Warps, crops and flips: int32 `[x, y, z]` on the map's grid, indices into the table."""
        return self.look_up(labels, self.coordinates(parameters), parameters, box_start)

    def coordinates(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Where each voxel of the crop comes from: float32 `[x, y, z, 3]`, voxels of the map."""
        elastic = self.settings.elastic
        displacement = integrate_displacement(
            parameters["velocity"], self.map_shape, elastic.integration_step, elastic.squarings
        )
        return compose_coordinates(
            displacement,
            parameters["matrix"],
            self.map_shape,
            self._geometry.region,
            parameters["crop_start"],
            parameters["flip"],
        )

    def look_up(
        self,
        labels: Tensor,
        coordinates: Tensor,
        parameters: Mapping[str, Tensor],
        box_start: Tensor | None = None,
    ) -> Tensor:
        """Labels at these places, with the names of the other side if the sample is flipped."""
        cropped = ops.cast(sample_nearest(labels, coordinates, self.map_shape, box_start), "int32")
        n_labels = len(self._flipped)
        names = ops.where(
            parameters["flip"],
            ops.convert_to_tensor(self._flipped),
            ops.arange(n_labels, dtype="int32"),
        )
        return ops.take(names, cropped, axis=0)

    def paint(self, cropped: Tensor, parameters: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """Gives warped labels an appearance: float32 `image_shape` in [0, 1]."""
        settings = self.settings
        image = apply_mixture(cropped, parameters["means"], parameters["stds"], noise)
        image = apply_bias_field(image, parameters["log_bias"])
        image = apply_normalisation(apply_clip(image, settings.clip))
        return self.acquire(apply_gamma(image, parameters["gamma"]), parameters)

    def acquire(self, image: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Shows an image as the drawn scanner would: float32 `image_shape` in [0, 1]."""
        settings = self.settings
        image = apply_acquisition(
            image,
            parameters["spacing_mm"],
            parameters["thickness_mm"],
            parameters["blur_factor"],
            reaches=self._reaches,
            native_mm=self.voxel_size_mm,
            out_shape=self._geometry.shape,
            repeat_last=bool(settings.acquisition.fixed_spacing_mm),
        )
        if not settings.image_gradients:
            return image
        return apply_normalisation(apply_clip(measure_gradient(image), GRADIENT_CLIP))

    def target(self, cropped: Tensor) -> Tensor:
        """What the network shall answer: int32 in the image's voxels, channels of the network."""
        shown = resize_nearest(cropped, self._geometry.shape)
        return ops.take(ops.convert_to_tensor(self._channel_of_label), shown, axis=0)
