"""The box of a label map that a sample can look at."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from synthseg_common.labels import GENERATION_V2
from synthseg_generator.draws.box import find_needed_box
from synthseg_generator.draws.growth import GrowthReach
from synthseg_generator.draws.sample_parameters import SampleParameters, draw_sample
from synthseg_generator.graph.deformation import compose_coordinates, integrate_displacement
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import Crop, Elastic, GeneratorSettings, Uniform
from typed import there

MAP_SHAPE = (40, 48, 44)
STILL = Elastic(strength=Uniform(0.0, 0.0), scale=0.1)


def looked_up(parameters: SampleParameters, model: GeneratorSettings) -> NDArray[np.float32]:
    """Voxels of the map that the graph looks up, float `[x, y, z, 3]`."""
    elastic = model.elastic
    displacement = integrate_displacement(
        parameters.velocity, MAP_SHAPE, elastic.integration_step, elastic.squarings
    )
    return np.asarray(
        compose_coordinates(
            displacement,
            parameters.matrix,
            MAP_SHAPE,
            there(model.crop.shape),
            parameters.crop_start,
            parameters.flip,
        )
    )


# The same examples every time, however long a busy machine takes to draw them.
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seed=st.integers(0, 10**6), strength=st.floats(0, 8), side=st.integers(4, 40))
def test_no_look_up_leaves_the_box(seed: int, strength: float, side: int) -> None:
    model = GeneratorSettings(
        crop=Crop(shape=(side, side, side)),
        elastic=Elastic(strength=Uniform(strength, strength), scale=0.1),
    )
    parameters = draw_sample(model, GENERATION_V2, [MapGeometry(MAP_SHAPE)], seed, 0)
    box = find_needed_box(parameters, there(model.crop.shape))
    places = np.rint(np.clip(looked_up(parameters, model), 0, np.array(MAP_SHAPE) - 1))
    assert np.all(places.min(axis=(0, 1, 2)) >= box.start)
    assert np.all(places.max(axis=(0, 1, 2)) < box.stop)


def undeformed(*crop_start: int) -> SampleParameters:
    """A crop of 8³ voxels that begins there."""
    model = GeneratorSettings(crop=Crop(shape=(8, 8, 8)), elastic=STILL)
    return dataclasses.replace(
        draw_sample(model, GENERATION_V2, [MapGeometry(MAP_SHAPE)], 0, 0),
        matrix=np.eye(3, 4, dtype=np.float32),
        crop_start=np.array(crop_start, np.int32),
    )


def test_an_undeformed_crop_needs_itself_and_a_margin() -> None:
    box = find_needed_box(undeformed(10, 11, 12), (8, 8, 8))
    assert box.start == (9, 10, 11)
    assert box.stop == (19, 20, 21)


def test_growth_needs_what_it_looks_at_around() -> None:
    box = find_needed_box(undeformed(15, 16, 17), (8, 8, 8), GrowthReach(nodes=2, around=3))
    assert box.start == (9, 10, 11)
    assert box.stop == (29, 30, 31)


@pytest.mark.parametrize("shift", [-500, 500])
def test_a_crop_beyond_the_map_needs_its_edge(shift: int) -> None:
    model = GeneratorSettings(crop=Crop(shape=(8, 8, 8)), elastic=STILL)
    matrix = np.eye(3, 4, dtype=np.float32)
    matrix[:, 3] = shift
    parameters = dataclasses.replace(
        draw_sample(model, GENERATION_V2, [MapGeometry(MAP_SHAPE)], 0, 0), matrix=matrix
    )
    box = find_needed_box(parameters, there(model.crop.shape))
    assert box.start == ((0, 0, 0) if shift < 0 else (39, 47, 43))
    assert np.all(np.subtract(box.stop, box.start) == 1)
