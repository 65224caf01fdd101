"""Structures that swell or shrink, on maps of which all else stays still."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray
from synthseg_common.arrays import AnyArray
from synthseg_common.labels import GENERATION_V2
from synthseg_generator.draws.box import find_needed_box
from synthseg_generator.draws.growth import measure_growth_reach
from synthseg_generator.draws.sample_parameters import SampleParameters, draw_sample
from synthseg_generator.graph.deformer import Deformer
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import (
    Affine,
    Crop,
    Elastic,
    GeneratorSettings,
    Growth,
    Uniform,
    each_axis,
    each_term,
)

SIDE = 64
SHAPE = (SIDE, SIDE, SIDE)
CENTRE = (SIDE - 1) / 2
VENTRICLE, MATTER = 4, 2
OFF = Uniform(0, 0)
STILL = Affine(
    rotation_deg=each_axis(OFF),
    scaling=each_axis(Uniform(1, 1)),
    shearing=each_term(OFF),
)


def _settings(distance_mm: float, reach_mm: float = 4.0, **others: object) -> GeneratorSettings:
    growth = Growth(
        labels=(VENTRICLE,),
        probability=1.0,
        distance_mm=Uniform(distance_mm, distance_mm),
        reach_mm=reach_mm,
    )
    settings = GeneratorSettings(
        crop=Crop(shape=SHAPE),
        affine=STILL,
        elastic=Elastic(strength=OFF),
        flip_probability=0.0,
        growth=(growth,),
    )
    return dataclasses.replace(settings, **others)  # type: ignore[arg-type]


def _parameters(settings: GeneratorSettings, k: int = 0) -> SampleParameters:
    return draw_sample(settings, GENERATION_V2, [MapGeometry(SHAPE)], 1, k)


def _ids(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    values = GENERATION_V2.values
    return np.where(inside, values.index(VENTRICLE), values.index(MATTER)).astype(np.uint8)


def _ball(radius: float) -> NDArray[np.bool_]:
    grid = np.indices(SHAPE) - CENTRE
    inside: NDArray[np.bool_] = np.square(grid).sum(0) < radius**2
    return inside


def _slab(half: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.abs(np.indices(SHAPE)[0] - CENTRE) < half
    return inside


def _grown(inside: NDArray[np.bool_], settings: GeneratorSettings) -> NDArray[np.bool_]:
    deformer = Deformer(settings, GENERATION_V2, SHAPE)
    shown: AnyArray = ops.convert_to_numpy(
        deformer.deform(_ids(inside), _parameters(settings).to_row())
    )
    found: NDArray[np.bool_] = shown == GENERATION_V2.values.index(VENTRICLE)
    return found


@pytest.mark.parametrize(
    ("distance", "share"), [(-4.0, 0.75), (-2.0, 0.9), (2.0, 0.9), (4.0, 0.75), (6.3, 0.6)]
)
def test_a_flat_wall_moves_by_most_of_the_distance(distance: float, share: float) -> None:
    found = _grown(_slab(14), _settings(distance))[:, SIDE // 2, SIDE // 2]
    assert found.sum() / 2 - 14 == pytest.approx(share * distance, abs=0.6)


@pytest.mark.parametrize("distance", [-2.0, 3.0])
def test_a_ball_grows_and_shrinks_to_a_ball(distance: float) -> None:
    found = _grown(_ball(14), _settings(distance))
    volume = found.sum()
    radius = (volume * 3 / 4 / np.pi) ** (1 / 3)
    # Around a ball the smoothed edge falls off sooner than at a flat wall.
    assert 0.6 * abs(distance) < abs(radius - 14) <= abs(distance) + 0.5
    assert np.sign(radius - 14) == np.sign(distance)
    np.testing.assert_allclose(np.argwhere(found).mean(0), CENTRE, atol=0.5)
    extents = np.ptp(np.argwhere(found), axis=0)
    assert np.ptp(extents) <= 1


def test_what_is_thin_moves_less() -> None:
    thin = _grown(_slab(2), _settings(3))[:, SIDE // 2, SIDE // 2].sum() / 2 - 2
    thick = _grown(_slab(14), _settings(3))[:, SIDE // 2, SIDE // 2].sum() / 2 - 14
    assert 0 < thin < 0.7 * thick


def test_far_away_nothing_moves() -> None:
    settings = _settings(5)
    deformer = Deformer(settings, GENERATION_V2, SHAPE)
    places = ops.convert_to_numpy(
        deformer.find_places(_ids(_ball(8)), _parameters(settings).to_row())
    )
    moved = np.abs(places - np.moveaxis(np.indices(SHAPE), 0, -1)).max(-1)
    assert moved[:4].max() < 0.01
    assert moved.max() > 2


def test_the_map_stays_in_order_at_the_longest_distance_that_is_taken() -> None:
    settings = _settings(6.3)
    deformer = Deformer(settings, GENERATION_V2, SHAPE)
    places = ops.convert_to_numpy(
        deformer.find_places(_ids(_slab(12)), _parameters(settings).to_row())
    )
    assert np.diff(places[:, SIDE // 2, SIDE // 2, 0]).min() > 0


@pytest.mark.parametrize("k", range(3))
def test_a_box_of_the_map_gives_what_the_whole_map_gives(k: int) -> None:
    settings = _settings(
        4, crop=Crop(shape=(24, 24, 24)), affine=Affine(), elastic=Elastic(), flip_probability=0.5
    )
    parameters, ids = _parameters(settings, k), _ids(_ball(16))
    assert parameters.growth_mm is not None
    reach = measure_growth_reach(settings.growth, parameters.growth_mm, 1.0)
    box = find_needed_box(parameters, (24, 24, 24), reach)
    part = ids[tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))]
    deformer = Deformer(settings, GENERATION_V2, SHAPE)
    whole = ops.convert_to_numpy(deformer.deform(ids, parameters.to_row()))
    start = np.array(box.start, np.int32)
    boxed = ops.convert_to_numpy(deformer.deform(part, parameters.to_row(), start))
    np.testing.assert_array_equal(boxed, whole)


def test_without_growth_in_a_sample_it_is_the_sample_of_settings_without_growth() -> None:
    none = _settings(0, elastic=Elastic(), affine=Affine())
    off = dataclasses.replace(none, growth=())
    ids = _ids(_ball(14))
    found, expected = (
        ops.convert_to_numpy(
            Deformer(settings, GENERATION_V2, SHAPE).deform(ids, _parameters(settings).to_row())
        )
        for settings in (none, off)
    )
    # Nodes of the growth may be finer, and interpolate the same displacement.
    assert np.mean(found == expected) > 0.999
