"""A label map and one row of parameters to an image and its target: SynthSeg's generative model.

Deterministic: all that is random comes in as an argument. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthseg_common.labels import GenerationLabels

from synthseg_generator.graph.deformer import Deformer
from synthseg_generator.graph.intensity import (
    apply_bias_field,
    apply_clip,
    apply_gamma,
    apply_mixture,
    apply_normalisation,
)
from synthseg_generator.graph.scanner import Scanner
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
        self._settings = settings
        self._deformer = Deformer(settings, labels, map_shape, voxel_size_mm)
        self._scanner = Scanner(settings, self._deformer.shape, voxel_size_mm)
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
        return self.paint(cropped, parameters, noise), self.target(cropped)

    def deform(
        self, labels: Tensor, parameters: Mapping[str, Tensor], box_start: Tensor | None = None
    ) -> Tensor:
        """Warps, crops and flips: see `Deformer.deform`."""
        return self._deformer.deform(labels, parameters, box_start)

    def paint(self, cropped: Tensor, parameters: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """Gives warped labels an appearance: float32 `image_shape` in [0, 1]."""
        image = apply_mixture(cropped, parameters["means"], parameters["stds"], noise)
        image = apply_bias_field(image, parameters["log_bias"])
        image = apply_normalisation(apply_clip(image, self._settings.clip))
        return self._scanner.acquire(apply_gamma(image, parameters["gamma"]), parameters)

    def target(self, cropped: Tensor) -> Tensor:
        """What the network shall answer: see `Deformer.target`."""
        return self._deformer.target(cropped)
