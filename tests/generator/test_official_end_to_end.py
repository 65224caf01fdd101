"""Whole samples against those of the official model, fed with its recorded draws.

In the recordings every uniform draw is a recorded share of its interval, and every normal draw a
sine wave; `../shared/data/reference/layers/README.md` lists them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from generator_fixtures import ReadLayer
from keras import ops
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from synthseg_common.labels import GENERATION_V1
from synthseg_generator.arrays import Row
from synthseg_generator.draws.shape import compose_affine, find_velocity_shape
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.settings.generator import (
    Acquisition,
    BiasField,
    Crop,
    Elastic,
    GeneratorSettings,
    cube,
)

Tensor = Any

CROP = (32, 32, 32)
TABLE = np.array(GENERATION_V1.values)
CHANNELS = np.array(sorted({0, *GENERATION_V1.targets}))


class Case(NamedTuple):
    """A recorded sample, our graph of the same settings, and our names of its draws."""

    recorded: dict[str, NDArray[Any]]
    graph: Synthesizer
    row: Row
    noise: NDArray[np.float32]
    warped: str  # the recorded layers: labels before the image is painted, image, target
    image: str
    target: str


def wave(shape: tuple[int, ...], std: float, number: int) -> NDArray[np.float32]:
    """What the recording drew instead of normal noise."""
    k = np.arange(np.prod(shape))
    draws: NDArray[np.float32] = (std * np.sqrt(2.0) * np.sin(0.61803 * k + number)).astype(
        np.float32
    )
    return draws.reshape(shape)


def share_of(recorded: dict[str, NDArray[Any]], number: int, low: float, high: float) -> float:
    """A uniform draw of the recording."""
    return low + float(recorded[f"d{number:02d}_uniform_frac"]) * (high - low)


def default_case(recorded: dict[str, NDArray[Any]]) -> Case:
    """160³ crops, scaled down: one channel, random resolution."""
    settings = GeneratorSettings(
        crop=Crop(shape=CROP),
        elastic=Elastic(scale=0.16, integration_step=2),
        bias_field=BiasField(scale=0.1),
    )
    shape = recorded["labels"].shape[1:4]
    row = {
        "matrix": _matrix(recorded),
        "velocity": _velocity(recorded, settings, shape, 6, 4, 7),
        "crop_start": _crop_start(recorded, shape, 8),
        "flip": np.bool_(share_of(recorded, 9, 0, 1) < 0.5),
        "log_bias": wave((4, 4, 4, 1), share_of(recorded, 11, 0, 0.7), 12),
        "gamma": np.exp(wave((1,), 0.5, 14)),
        "spacing_mm": recorded["L03_SampleResolution_sample_resolution_1_out0"],
        "thickness_mm": recorded["L04_SampleResolution_sample_resolution_1_out1"],
        "blur_factor": np.full((1, 3), share_of(recorded, 21, 1 / 1.03, 1.03), np.float32),
    }
    return Case(
        recorded,
        Synthesizer(settings, GENERATION_V1, shape),
        _with_gaussians(recorded, row),
        wave((*CROP, 1), 1, 10),
        "L02_RandomFlip_random_flip_1_out0",
        "L14_Lambda_image_out_out0",
        "L13_ConvertLabels_labels_out_out0",
    )


def fixed_resolution_case(recorded: dict[str, NDArray[Any]]) -> Case:
    """Two channels, each with the resolution of a data set, and translation."""
    acquisition = Acquisition(
        fixed_spacing_mm=((1, 1, 3), (1, 2.5, 1)), fixed_thickness_mm=((1, 1, 2), (1, 2.5, 1))
    )
    settings = GeneratorSettings(
        n_channels=2,
        crop=Crop(shape=CROP),
        elastic=Elastic(scale=0.16, integration_step=2),
        bias_field=BiasField(scale=0.1),
        acquisition=acquisition,
    )
    shape = recorded["labels"].shape[1:4]
    spacing, thickness = zip(*acquisition.fixed_rows(2), strict=True)
    factors = [share_of(recorded, number, 1 / 1.03, 1.03) for number in (17, 18)]
    row = {
        "matrix": _matrix(recorded, translation=share_of(recorded, 6, -5, 5)),
        "velocity": _velocity(recorded, settings, shape, 8, 3, 9),
        "crop_start": _crop_start(recorded, shape, 10),
        "flip": np.bool_(share_of(recorded, 11, 0, 1) < 0.5),
        "log_bias": wave((4, 4, 4, 2), share_of(recorded, 13, 0, 0.5), 14),
        "gamma": np.exp(wave((2,), 0.5, 16)),
        "spacing_mm": np.array(spacing, np.float32),
        "thickness_mm": np.array(thickness, np.float32),
        "blur_factor": np.repeat(np.array(factors, np.float32)[:, None], 3, axis=1),
    }
    return Case(
        recorded,
        Synthesizer(settings, GENERATION_V1, shape),
        _with_gaussians(recorded, row),
        wave((*CROP, 2), 1, 12),
        "L02_RandomFlip_random_flip_1_out0",
        "L14_Lambda_image_out_out0",
        "L13_ConvertLabels_labels_out_out0",
    )


def coarser_target_case(recorded: dict[str, NDArray[Any]]) -> Case:
    """The whole map at 2 mm, from labels at 1 mm; no deformation, no bias field."""
    settings = GeneratorSettings(crop=Crop(shape=None, spacing_mm=cube(2.0)))
    shape = recorded["labels"].shape[1:4]
    row = {
        "matrix": np.eye(3, 4, dtype=np.float32),
        "velocity": np.zeros((2, 2, 2, 3), np.float32),
        "crop_start": np.zeros(3, np.int32),
        "flip": np.bool_(False),
        "log_bias": np.zeros((2, 2, 2, 1), np.float32),
        "gamma": np.exp(wave((1,), 0.5, 1)),
        "spacing_mm": recorded["L00_SampleResolution_sample_resolution_1_out0"],
        "thickness_mm": recorded["L01_SampleResolution_sample_resolution_1_out1"],
        "blur_factor": np.full((1, 3), share_of(recorded, 8, 1 / 1.03, 1.03), np.float32),
    }
    return Case(
        recorded,
        Synthesizer(settings, GENERATION_V1, shape),
        _with_gaussians(recorded, row),
        wave((*shape, 1), 1, 0),
        "L02_RandomSpatialDeformation_random_spatial_deformation_1_out0",
        "L12_Lambda_image_out_out0",
        "L11_ConvertLabels_labels_out_out0",
    )


def _matrix(recorded: dict[str, NDArray[Any]], translation: float = 0.0) -> NDArray[np.float32]:
    matrix = compose_affine(
        [share_of(recorded, 0, -15, 15)] * 3,
        [share_of(recorded, 4, 0.8, 1.2)] * 3,
        [share_of(recorded, 2, -0.012, 0.012)] * 6,
        [translation] * 3,
    )
    return matrix.astype(np.float32)


def _velocity(
    recorded: dict[str, NDArray[Any]],
    settings: GeneratorSettings,
    shape: tuple[int, ...],
    std_draw: int,
    largest: float,
    field_draw: int,
) -> NDArray[np.float32]:
    std = share_of(recorded, std_draw, 0, largest)
    return wave((*find_velocity_shape(settings.elastic, shape), 3), std, field_draw)


def _crop_start(
    recorded: dict[str, NDArray[Any]], shape: tuple[int, ...], number: int
) -> NDArray[np.int32]:
    return np.array([int(share_of(recorded, number, 0, n - 32)) for n in shape], np.int32)


def _with_gaussians(recorded: dict[str, NDArray[Any]], row: Row) -> Row:
    np.testing.assert_array_equal(recorded["generation_labels"], TABLE)
    return {**row, "means": recorded["means"][0], "stds": recorded["stds"][0]}


CASES = {
    "e2e_default_1ch": default_case,
    "e2e_dataset_res_2ch": fixed_resolution_case,
    "e2e_target_res2_1ch": coarser_target_case,
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, recorded_layer: ReadLayer) -> Case:
    return CASES[request.param](recorded_layer(request.param))


def _indices(labels: NDArray[Any]) -> NDArray[np.int32]:
    order = np.argsort(TABLE)
    return order[np.searchsorted(TABLE[order], labels)].astype(np.int32)


@pytest.fixture(scope="module")
def official_labels(case: Case) -> Tensor:
    """Their warped, cropped and flipped labels, as indices into the table."""
    return ops.convert_to_tensor(_indices(case.recorded[case.warped][0, ..., 0]))


@pytest.fixture(scope="module")
def our_labels(case: Case) -> Tensor:
    return case.graph.deform(_indices(case.recorded["labels"][0, ..., 0]), case.row)


def test_labels_equal_official(case: Case, our_labels: Tensor, official_labels: Tensor) -> None:
    assert np.mean(np.asarray(our_labels) == np.asarray(official_labels)) >= 0.995


def test_target_equals_official_on_the_same_labels(case: Case, official_labels: Tensor) -> None:
    ours = CHANNELS[ops.convert_to_numpy(case.graph.target(official_labels, case.row))]
    np.testing.assert_array_equal(ours, case.recorded[case.target][0, ..., 0])


def test_image_equals_official_on_the_same_labels(case: Case, official_labels: Tensor) -> None:
    image = ops.convert_to_numpy(case.graph.paint(official_labels, case.row, case.noise))
    np.testing.assert_allclose(image, case.recorded[case.image][0], atol=1e-3)


def test_image_equals_official_out_of_reach_of_differing_labels(
    case: Case, our_labels: Tensor, official_labels: Tensor
) -> None:
    image = ops.convert_to_numpy(case.graph.paint(our_labels, case.row, case.noise))
    differing = np.asarray(our_labels) != np.asarray(official_labels)
    # Blur reaches 7 voxels, and acquired voxels show through as far as the spacing again.
    cube_of_27 = np.ones((3, 3, 3), bool)
    near = binary_dilation(differing, cube_of_27, iterations=14) if differing.any() else differing
    step = differing.shape[0] // image.shape[0]
    away = ~near[::step, ::step, ::step]
    assert away.mean() > 0.4
    np.testing.assert_allclose(image[away], case.recorded[case.image][0][away], atol=1e-3)
