"""The simulated scanner."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray
from synthseg_generator.graph.scanner import Scanner
from synthseg_generator.settings.generator import Acquisition, GeneratorSettings

SHAPE = (12, 14, 16)


def acquire(
    image: NDArray[np.float32], settings: GeneratorSettings, spacing_mm: float = 1.0
) -> NDArray[np.float32]:
    row = {
        "spacing_mm": np.full((1, 3), spacing_mm, np.float32),
        "thickness_mm": np.full((1, 3), spacing_mm, np.float32),
        "blur_factor": np.zeros((1, 3), np.float32),
    }
    scanner = Scanner(settings, SHAPE, 1.0)
    shown: NDArray[np.float32] = ops.convert_to_numpy(scanner.acquire(image, row))
    return shown


@pytest.fixture(scope="module")
def image() -> NDArray[np.float32]:
    return np.random.default_rng(0).random((*SHAPE, 1)).astype(np.float32)


def test_native_voxels_without_blur_show_the_image_itself(image: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(acquire(image, GeneratorSettings()), image, atol=1e-5)


def test_coarser_voxels_show_less(image: NDArray[np.float32]) -> None:
    coarse = acquire(image, GeneratorSettings(), spacing_mm=3.0)
    assert coarse.shape == image.shape
    assert np.abs(np.diff(coarse, axis=0)).mean() < 0.7 * np.abs(np.diff(image, axis=0)).mean()


def test_gradients_fill_the_range_and_a_flat_image_has_none(image: NDArray[np.float32]) -> None:
    settings = GeneratorSettings(
        image_gradients=True, acquisition=Acquisition(native_probability=1)
    )
    gradient = acquire(image, settings)
    assert gradient.min() == 0
    assert gradient.max() == pytest.approx(1, abs=1e-5)
    inner = acquire(np.full_like(image, 0.5), settings)[2:-2, 2:-2, 2:-2]
    np.testing.assert_allclose(inner, 0, atol=1e-6)
