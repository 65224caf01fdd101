"""A scan, its label map and one row of parameters to an image and its target.

Deformation, crop, flip, bias field, gamma and resolution are those of the generative model; where
that paints labels, this looks the scan up at the same places and adds noise. So the original means
its supervised training, whose settings for resolution had no effect. Arithmetic runs on any Keras
backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from synthseg_generator.graph.intensity import apply_bias_field, apply_gamma, apply_normalisation
from synthseg_generator.graph.interpolation import sample_linear
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.scans.stored_scans import FULL_SCALE

Tensor = Any

# Intensities run to 255, as in the scans that the original's noise is meant for.
_LARGEST_INTENSITY = 255.0


class ScanAugmenter(Synthesizer):
    """The graph from a scan and its labels to an image and its target."""

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
        places = self.coordinates(parameters)
        target = self.target(self.look_up(labels, places, parameters, box_start))
        inside = ops.clip(places, 0.0, ops.cast(np.array(self.map_shape) - 1, "float32"))
        image = sample_linear(scan, inside - ops.cast(box_start, "float32"))
        image = apply_bias_field(image * (_LARGEST_INTENSITY / FULL_SCALE), parameters["log_bias"])
        image = apply_normalisation(image + parameters["scan_noise"] * noise)
        return self.acquire(apply_gamma(image, parameters["gamma"]), parameters), target
