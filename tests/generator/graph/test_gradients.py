from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled import finite_in_every_way
from keras import ops
from numpy.typing import NDArray
from scipy.ndimage import sobel
from synthseg_generator.graph.gradients import GRADIENT_CLIP, measure_gradient
from synthseg_generator.graph.intensity import apply_clip, apply_normalisation

Tensor = Any


def _magnitude(image: NDArray[np.float32]) -> NDArray[np.float32]:
    size: NDArray[np.float32] = ops.convert_to_numpy(measure_gradient(ops.convert_to_tensor(image)))
    return size


def test_a_constant_image_has_no_gradient_away_from_its_edge() -> None:
    assert not _magnitude(np.full((7, 8, 9, 2), 0.5, np.float32))[1:-1, 1:-1, 1:-1].any()


def test_a_slope_of_one_has_the_weight_of_the_filter() -> None:
    ramp = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None, None], (8, 7, 6, 1))
    np.testing.assert_allclose(_magnitude(ramp.copy())[1:-1, 1:-1, 1:-1], 32)


def test_magnitude_is_that_of_sobel_filters() -> None:
    image = np.random.default_rng(0).random((9, 8, 7)).astype(np.float32)
    parts = [sobel(image, axis, mode="constant") for axis in range(3)]
    expected = np.sqrt(np.sum(np.square(parts), axis=0))
    np.testing.assert_allclose(_magnitude(image[..., None])[..., 0], expected, atol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_gradients_that_vanish_or_are_cut_everywhere_normalise_however_they_are_compiled(
    scale: float,
) -> None:
    def steepness(image: Tensor) -> Tensor:
        return apply_normalisation(apply_clip(measure_gradient(image), GRADIENT_CLIP))

    image = scale * np.random.default_rng(0).standard_normal((8, 8, 8, 1)).astype(np.float32)
    (shown,) = finite_in_every_way(steepness, image, atol=1e-5)
    assert shown.any() == (scale == 1)
