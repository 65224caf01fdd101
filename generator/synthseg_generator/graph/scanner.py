"""The simulated scanner: an image as a drawn resolution shows it.

Deterministic: all that is random comes in as an argument. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthseg_generator.graph.acquisition import apply_acquisition, compute_blur_reaches
from synthseg_generator.graph.gradients import GRADIENT_CLIP, measure_gradient
from synthseg_generator.graph.intensity import apply_clip, apply_normalisation
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.settings.ranges import Shape

Tensor = Any


class Scanner:
    """Blurs and resamples images, and takes their gradient where the settings say so.

    Args:
        settings: The generative model.
        out_shape: Voxels of the image that comes out.
        voxel_size_mm: Voxel size of the image that goes in.
    """

    def __init__(self, settings: GeneratorSettings, out_shape: Shape, voxel_size_mm: float) -> None:
        self._acquisition = settings.acquisition
        self._takes_gradients = settings.image_gradients
        self._out_shape = out_shape
        self._voxel_size_mm = voxel_size_mm
        self._reaches = compute_blur_reaches(
            settings.acquisition, settings.n_channels, voxel_size_mm
        )

    def acquire(self, image: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Shows an image as the drawn scanner would.

        Args:
            image: float32 `[x, y, z, channel]` in [0, 1].
            parameters: `SampleParameters.to_row()`.

        Returns:
            float32 `[*out_shape, channel]` in [0, 1].
        """
        image = apply_acquisition(
            image,
            parameters["spacing_mm"],
            parameters["thickness_mm"],
            parameters["blur_factor"],
            reaches=self._reaches,
            native_mm=self._voxel_size_mm,
            out_shape=self._out_shape,
            repeat_last=bool(self._acquisition.fixed_spacing_mm),
        )
        if not self._takes_gradients:
            return image
        return apply_normalisation(apply_clip(measure_gradient(image), GRADIENT_CLIP))
