"""A label map and one row of parameters to an image and its target: SynthSeg's generative model.

Deterministic: all that is random comes in as an argument. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops
from synthseg_common.arrays import BoolArray
from synthseg_common.labels import GenerationLabels

from synthseg_generator.graph.deformer import Deformer
from synthseg_generator.graph.intensity import (
    apply_bias_field,
    apply_clip,
    apply_gamma,
    apply_mixture,
    apply_normalisation,
)
from synthseg_generator.graph.lesions import find_lesions
from synthseg_generator.graph.scanner import Scanner
from synthseg_generator.settings.anatomy import Lesions
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.settings.labels import find_label_indices

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
        self._settings = settings
        self._deformer = Deformer(settings, labels, map_shape, voxel_size_mm)
        self._scanner = Scanner(settings, self._deformer.shape, voxel_size_mm)
        self._affected = _tell_affected(settings.lesions, settings.labels.apply(labels))
        self.noise_shape = (*self._deformer.region, settings.n_channels)
        self.image_shape = (*self._deformer.shape, settings.n_channels)

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
        return self.paint(cropped, parameters, noise), self.target(cropped, parameters)

    def deform(
        self, labels: Tensor, parameters: Mapping[str, Tensor], box_start: Tensor | None = None
    ) -> Tensor:
        """Warps, crops and flips: see `Deformer.deform`."""
        return self._deformer.deform(labels, parameters, box_start)

    def paint(self, cropped: Tensor, parameters: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """Gives warped labels an appearance: float32 `image_shape` in [0, 1]."""
        image = self.mix(cropped, parameters, noise)
        image = apply_bias_field(image, parameters["log_bias"])
        image = apply_normalisation(apply_clip(image, self._settings.clip))
        image = self._scanner.acquire(apply_gamma(image, parameters["gamma"]), parameters)
        return self._deformer.hide_unseen(image, parameters)

    def mix(self, cropped: Tensor, parameters: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """Paints each warped label, and each lesion, with its Gaussian: float32 `noise_shape`."""
        means, stds = parameters["means"], parameters["stds"]
        if "lesion_nodes" in parameters:
            lesions = find_lesions(
                cropped,
                parameters["lesion_nodes"],
                parameters["lesion_threshold"],
                ops.convert_to_tensor(self._affected),
            )
            # One more label, the last.
            cropped = ops.where(lesions, len(self._affected), cropped)
            means = ops.concatenate([means, parameters["lesion_means"][None]], axis=0)
            stds = ops.concatenate([stds, parameters["lesion_stds"][None]], axis=0)
        return apply_mixture(cropped, means, stds, noise)

    def target(self, cropped: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """What the network shall answer: see `Deformer.target`."""
        return self._deformer.target(cropped, parameters)


def _tell_affected(lesions: Lesions, labels: GenerationLabels) -> BoolArray:
    """Which labels may have lesions: bool `[label]`."""
    affected = np.zeros(len(labels), np.bool_)
    if lesions.probability > 0:
        affected[list(find_label_indices("lesions.labels", lesions.labels, labels))] = True
    return affected
