from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from generator_fixtures import MakeHead
from keras import ops
from numpy.typing import NDArray
from synthseg_generator.draws.shape import draw_velocity
from synthseg_generator.graph.deformation import (
    compose_coordinates,
    integrate_displacement,
    integrate_velocity,
)
from synthseg_generator.graph.interpolation import (
    sample_nearest,
)
from synthseg_generator.settings.generator import Elastic
from synthseg_generator.settings.ranges import Shape

Tensor = Any

IDENTITY = np.eye(3, 4, dtype=np.float32)
STILL = np.zeros((2, 2, 2, 3), np.float32)
MAP = np.random.default_rng(0).integers(0, 9, (12, 13, 14)).astype(np.uint8)


def _coordinates(
    displacement: NDArray[np.float32] = STILL,
    matrix: NDArray[np.float32] = IDENTITY,
    crop: Shape = (5, 6, 7),
    start: Shape = (2, 3, 4),
    flip: bool = False,
) -> Tensor:
    corner = np.array(start, np.int32)
    return compose_coordinates(displacement, matrix, MAP.shape, crop, corner, np.bool_(flip))


def test_without_deformation_the_crop_is_a_slice_of_the_map() -> None:
    crop = ops.convert_to_numpy(sample_nearest(MAP, _coordinates(), MAP.shape))
    np.testing.assert_array_equal(crop, MAP[2:7, 3:9, 4:11])


def test_flip_mirrors_the_crop_and_not_the_map() -> None:
    crop = ops.convert_to_numpy(sample_nearest(MAP, _coordinates(flip=True), MAP.shape))
    np.testing.assert_array_equal(crop, MAP[2:7, 3:9, 4:11][::-1])


def test_translation_shifts_what_is_seen() -> None:
    shift = IDENTITY.copy()
    shift[:, 3] = (1, 0, -2)
    crop = ops.convert_to_numpy(sample_nearest(MAP, _coordinates(matrix=shift), MAP.shape))
    np.testing.assert_array_equal(crop, MAP[3:8, 3:9, 2:9])


def test_constant_displacement_passes_through_the_affine_map() -> None:
    push = np.tile(np.array([1, 0, 0], np.float32), (2, 2, 2, 1))
    turn = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]], np.float32)
    moved = ops.convert_to_numpy(_coordinates(push, turn)) - ops.convert_to_numpy(
        _coordinates(matrix=turn)
    )
    np.testing.assert_allclose(moved, np.tile([0, 1, 0], (5, 6, 7, 1)), atol=1e-5)


def test_looking_beyond_the_map_shows_its_edge() -> None:
    away = IDENTITY.copy()
    away[:, 3] = 100
    crop = ops.convert_to_numpy(sample_nearest(MAP, _coordinates(matrix=away), MAP.shape))
    assert np.all(crop == MAP[-1, -1, -1])


def test_a_box_of_the_map_shows_what_the_whole_map_shows() -> None:
    coordinates = _coordinates()
    whole = ops.convert_to_numpy(sample_nearest(MAP, coordinates, MAP.shape))
    box = MAP[1:9, 2:10, 3:12]
    part = sample_nearest(box, coordinates, MAP.shape, np.array([1, 2, 3], np.int32))
    np.testing.assert_array_equal(ops.convert_to_numpy(part), whole)


def test_constant_velocity_integrates_to_itself() -> None:
    velocity = np.tile(np.array([1.5, -2, 0.5], np.float32), (6, 6, 6, 1))
    flow = integrate_velocity(ops.convert_to_tensor(velocity), (1, 1, 1), 7)
    np.testing.assert_allclose(ops.convert_to_numpy(flow), velocity, rtol=1e-5)


@pytest.mark.parametrize(
    ("strength", "most_voxels", "most_labels"), [(2.0, 0.12, 0.01), (4.0, 0.25, 0.025)]
)
def test_default_integration_grid_stays_close_to_the_exact_one(
    make_head: MakeHead, strength: float, most_voxels: float, most_labels: float
) -> None:
    """Root mean square of the coordinates, and share of labels, that differ from the original's."""
    shape = (96, 96, 96)
    head = make_head(shape)
    velocity = draw_velocity(Elastic(), shape, np.random.default_rng(0))
    velocity *= strength / velocity.std()
    exact, fast = (_warped_places(velocity, shape, n) for n in (2, Elastic().integration_step))
    error = np.linalg.norm(exact - fast, axis=-1)
    assert 0 < np.sqrt(np.mean(error**2)) < most_voxels
    seen = [ops.convert_to_numpy(sample_nearest(head, p, shape)) for p in (exact, fast)]
    assert np.mean(seen[0] != seen[1]) < most_labels


def _warped_places(
    velocity: NDArray[np.float32], shape: Shape, integration_step: int
) -> NDArray[np.float32]:
    nodes = integrate_displacement(ops.convert_to_tensor(velocity), shape, integration_step, 7)
    still = np.zeros(3, np.int32)
    places: NDArray[np.float32] = ops.convert_to_numpy(
        compose_coordinates(nodes, IDENTITY, shape, shape, still, np.bool_(False))
    )
    return places
