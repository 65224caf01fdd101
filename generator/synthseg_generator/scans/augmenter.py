"""A scan, its label map and one row of parameters to an image and its target.

Deformation, growth of structures, crop, flip, bias field, gamma, resolution and field of view are
those of the generative model; where that paints labels, this looks the scan up at the same places
and adds noise. So the original means its supervised training, whose settings for resolution had no
effect. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops
from synthseg_common.labels import GenerationLabels

from synthseg_generator.graph.deformer import Deformer
from synthseg_generator.graph.intensity import apply_bias_field, apply_gamma, apply_normalisation
from synthseg_generator.graph.interpolation import sample_linear
from synthseg_generator.graph.scanner import Scanner
from synthseg_generator.scans.stored_scans import FULL_SCALE
from synthseg_generator.settings.generator import GeneratorSettings

Tensor = Any

# Intensities run to 255, as in the scans that the original's noise is meant for.
_LARGEST_INTENSITY = 255.0


class ScanAugmenter:
    """The graph from a scan and its labels to an image and its target.

    Args:
        settings: The augmentation; `mixture` and `clip` mean nothing here.
        labels: Table of the label maps.
        map_shape: Voxels of maps and scans; a graph is built for one shape.
        voxel_size_mm: Voxel size of both.

    Attributes:
        noise_shape: Shape of the voxel noise: the crop on the grid of the map, and the channels.
        image_shape: Shape of the image; without channels, that of the target.

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
        self._deformer = Deformer(settings, labels, map_shape, voxel_size_mm)
        self._scanner = Scanner(settings, self._deformer.shape, voxel_size_mm)
        self.noise_shape = (*self._deformer.region, settings.n_channels)
        self.image_shape = (*self._deformer.shape, settings.n_channels)

    def augment(
        self,
        scan: Tensor,
        labels: Tensor,
        parameters: Mapping[str, Tensor],
        noise: Tensor,
        box_start: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Makes one image.

        Args:
            scan: uint16 `[x, y, z, channel]`, a box of the scan.
            labels: Integers `[x, y, z]`, the same box of its label map.
            parameters: `SampleParameters.to_row()` and `scan_noise`, float32 `[channel]`.
            noise: float32 `noise_shape`, standard normal.
            box_start: int32 `[3]`, first voxel of the box.

        Returns:
            Image float32 `image_shape` in [0, 1], and target int32 of the same voxels: channels of
            the network.
        """
        deformer = self._deformer
        places = deformer.find_places(labels, parameters, box_start)
        cropped = deformer.look_up(labels, places, parameters, box_start)
        inside = ops.clip(places, 0.0, ops.cast(np.array(deformer.map_shape) - 1, "float32"))
        image = sample_linear(scan, inside - ops.cast(box_start, "float32"))
        image = apply_bias_field(image * (_LARGEST_INTENSITY / FULL_SCALE), parameters["log_bias"])
        image = apply_normalisation(image + parameters["scan_noise"] * noise)
        image = self._scanner.acquire(apply_gamma(image, parameters["gamma"]), parameters)
        return deformer.hide_unseen(image, parameters), deformer.target(cropped, parameters)
