"""Structures that swell and shrink, on balls, walls and sheets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled import in_every_way
from keras import ops
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from synthseg_common.arrays import BoolArray, Float32Array, UInt8Array
from synthseg_common.labels import GENERATION_V2, GenerationLabels
from synthseg_generator.arrays import Row
from synthseg_generator.draws.box import find_needed_box
from synthseg_generator.draws.growth import measure_growth_reach
from synthseg_generator.draws.sample_parameters import SampleParameters, draw_sample
from synthseg_generator.errors import ConfigError
from synthseg_generator.graph.deformer import Deformer
from synthseg_generator.graph.growth import GrowthField, find_growth_sigma
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import GeneratorSettings, generator_settings
from typed import there

SHAPE = (64, 64, 64)
MIDDLE = 31.5
TABLE = GenerationLabels(values=(0, 1, 2), n_neutral=3, classes=(0, 1, 2), targets=(0, 1, 2))
STILL = {
    "crop": {"shape": list(SHAPE)},
    "affine": {"rotation_deg": 0, "scaling": False, "shearing": False},
    "elastic": {"strength": 0},
    "flip_probability": 0,
}


def settings_with(
    distance_mm: float, reach_mm: float = 4.0, **others: Any
) -> tuple[GeneratorSettings, Row]:
    """A model in which label 1 grows so in every sample, and sample 0 of it."""
    growth = {"labels": [1], "probability": 1, "distance_mm": [distance_mm] * 2}
    settings = generator_settings({**STILL, "growth": [{**growth, "reach_mm": reach_mm}], **others})
    return settings, draw_sample(settings, TABLE, [MapGeometry(SHAPE)], 1, 0).to_row()


def grown(
    labels: BoolArray, distance_mm: float, reach_mm: float = 4.0, voxel_size_mm: float = 1.0
) -> BoolArray:
    """Where a structure is after it grew."""
    settings, row = settings_with(distance_mm, reach_mm)
    deformer = Deformer(settings, TABLE, SHAPE, voxel_size_mm)
    ids = labels.astype(np.uint8)
    return np.asarray(ops.convert_to_numpy(deformer.deform(ids, row)) == 1)


def ball(radius: float) -> BoolArray:
    x, y, z = np.ogrid[:64, :64, :64]
    return np.asarray((x - MIDDLE) ** 2 + (y - MIDDLE) ** 2 + (z - MIDDLE) ** 2 < radius**2)


def sheet(first: int, thickness: int, axis: int = 0) -> BoolArray:
    planes = np.arange(64)
    inside = (planes >= first) & (planes < first + thickness)
    shape = [64 if a == axis else 1 for a in range(3)]
    return np.broadcast_to(inside.reshape(shape), SHAPE)


def thickness_of(labels: BoolArray, axis: int = 0) -> int:
    """Planes of a sheet, in the middle of the map."""
    return int(np.moveaxis(labels, axis, 0)[:, 32, 32].sum())


def shift_of_wall(distance: float, reach: float) -> float:
    """How far a wall moves: to where the displacement is as long as the way from it."""
    return brentq(lambda x: abs(distance) * np.exp(-(x**2) / (2 * reach**2)) - x, 0, abs(distance))


@pytest.mark.parametrize("distance", [3.0, -3.0, 5.0])
def test_a_ball_grows_and_shrinks_by_the_distance_that_its_wall_is_displaced(
    distance: float,
) -> None:
    radius = (3 / (4 * np.pi) * grown(ball(16), distance).sum()) ** (1 / 3)
    moved = np.sign(distance) * shift_of_wall(distance, 4)
    assert radius - 16 == pytest.approx(moved, abs=0.7)
    assert radius - 16 == pytest.approx(distance, abs=abs(distance) * 0.4)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_wall_moves_alike_along_every_axis(axis: int) -> None:
    planes = thickness_of(grown(sheet(0, 30, axis), 3.0), axis)
    assert planes - 30 == pytest.approx(shift_of_wall(3, 4), abs=0.6)


@pytest.mark.parametrize("first", range(30, 34))
def test_a_thin_sheet_moves_less_than_a_wall_wherever_it_lies(first: int) -> None:
    assert 0 < thickness_of(grown(sheet(first, 2), 4.0)) - 2 <= shift_of_wall(4, 4)
    assert thickness_of(grown(sheet(22, 20), 4.0)) - 20 == pytest.approx(
        2 * shift_of_wall(4, 4), abs=1
    )


def test_distances_are_millimetres() -> None:
    """On voxels of 0.5 mm, 2 mm and 4 mm of reach are 4 and 8 voxels."""
    planes = thickness_of(grown(sheet(0, 32), 2.0, voxel_size_mm=0.5))
    assert planes - 32 == pytest.approx(shift_of_wall(4, 8), abs=0.6)


def test_the_surroundings_are_pushed_and_not_overwritten() -> None:
    """A shell around a ball that grows is still a whole shell, farther out and thinner."""
    shell = ball(20) & ~ball(16)
    settings, row = settings_with(3.0)
    ids = (ball(16) + 2 * shell).astype(np.uint8)
    labels = ops.convert_to_numpy(Deformer(settings, TABLE, SHAPE).deform(ids, row))
    along = labels[32, 32, 32:]
    runs = along[np.flatnonzero(np.diff(along, prepend=-1))].tolist()
    assert runs == [1, 2, 0]
    assert 1 <= (along == 2).sum() < 4


@pytest.mark.parametrize("distance", [-6.3, 6.3])
def test_the_longest_distance_does_not_fold_the_map_at_a_wall(distance: float) -> None:
    settings, row = settings_with(distance)
    ids = np.ascontiguousarray(sheet(0, 32)).astype(np.uint8)
    places = ops.convert_to_numpy(Deformer(settings, TABLE, SHAPE).find_places(ids, row))
    assert np.diff(places[5:59, 32, 32, 0]).min() > 0


def test_a_structure_that_does_not_grow_in_a_sample_stays() -> None:
    settings, row = settings_with(3.0)
    plain = generator_settings(STILL)
    ids = ball(16).astype(np.uint8)
    still = {**row, "growth_mm": np.zeros(1, np.float32)}
    absent = {name: value for name, value in row.items() if name != "growth_mm"}
    found = [
        ops.convert_to_numpy(Deformer(model, TABLE, SHAPE).deform(ids, given))
        for model, given in ((plain, row), (settings, still), (settings, absent))
    ]
    for labels in found:
        np.testing.assert_array_equal(labels, ids)


def test_displacement_is_that_of_the_gaussian() -> None:
    """Against the gradient of the smoothed mask, at all voxels of the map."""
    settings, row = settings_with(3.0)
    mask = ball(16)
    field = GrowthField(settings.growth, TABLE, SHAPE, 1.0, (32, 32, 32))
    places = 8 + 3 * np.moveaxis(np.indices((16, 16, 16)), 0, -1).astype(np.float32)
    computed = field.compute(mask.astype(np.uint8), row["growth_mm"])
    found = ops.convert_to_numpy(field.look_up(computed, places))
    smooth = [
        gaussian_filter(mask.astype(np.float64), 4, order=[int(a == axis) for a in range(3)])
        for axis in range(3)
    ]
    index = tuple(np.moveaxis(places.astype(int), -1, 0))
    expected = 3 * 4 * np.sqrt(2 * np.pi) * np.stack([part[index] for part in smooth], axis=-1)
    assert np.abs(expected).max() > 2.5
    np.testing.assert_allclose(found, expected, atol=0.35)
    assert np.sqrt(np.square(found - expected).mean()) < 0.06


def test_what_smooths_besides_is_taken_off_the_gaussian() -> None:
    assert find_growth_sigma(4, 3, 4) ** 2 == pytest.approx(16 - 9 * 7 / 12 - 16 / 6)
    assert find_growth_sigma(0.1, 3, 4) == 1.5


@pytest.mark.parametrize("reach_mm", [2.0, 4.0, 9.0])
def test_nodes_lie_no_further_apart_than_the_reach(reach_mm: float) -> None:
    settings, _ = settings_with(1.0, reach_mm)
    nodes = GrowthField(settings.growth, TABLE, SHAPE, 1.0, (8, 16, 32)).nodes
    assert all(64 / n <= max(reach_mm, 64 / m) for n, m in zip(nodes, (8, 16, 32), strict=True))
    assert all(n % m == 0 for n, m in zip(nodes, (8, 16, 32), strict=True))


def test_several_reaches_add_up() -> None:
    ids = (sheet(0, 16) + 2 * sheet(48, 16)).astype(np.uint8)
    growth = [
        {"labels": [1], "probability": 1, "distance_mm": [3, 3]},
        {"labels": [2], "probability": 1, "distance_mm": [-2, -2], "reach_mm": 3},
    ]
    settings = generator_settings({**STILL, "growth": growth})
    row = draw_sample(settings, TABLE, [MapGeometry(SHAPE)], 1, 0).to_row()
    labels = ops.convert_to_numpy(Deformer(settings, TABLE, SHAPE).deform(ids, row))
    assert (labels[:, 32, 32] == 1).sum() - 16 == pytest.approx(shift_of_wall(3, 4), abs=0.6)
    assert 16 - (labels[:, 32, 32] == 2).sum() == pytest.approx(shift_of_wall(2, 3), abs=0.6)


def test_a_label_that_the_table_lacks_is_refused() -> None:
    settings = generator_settings(
        {"growth": [{"labels": [99], "probability": 1, "distance_mm": [1, 2]}]}
    )
    with pytest.raises(ConfigError, match=r"growth\.labels: the label maps' table has no label 99"):
        Deformer(settings, GENERATION_V2, SHAPE)


def wild_sample(k: int, step: int) -> tuple[GeneratorSettings, SampleParameters, UInt8Array]:
    """A sample that is rotated, warped and grown, and a map of blobs."""
    growth = {"labels": [1], "probability": 1, "distance_mm": [2, 4], "reach_mm": 3}
    settings = generator_settings(
        {
            "crop": {"shape": [20, 16, 24]},
            "elastic": {"strength": [1, 2], "scale": 0.08, "integration_step": step},
            "growth": [growth, {**growth, "labels": [2], "distance_mm": [-2, -1]}],
        }
    )
    rng = np.random.default_rng(k)
    blobs = gaussian_filter(rng.standard_normal((96, 90, 94)), 4)
    ids = np.digitize(blobs, np.quantile(blobs, [0.5, 0.75])).astype(np.uint8)
    return settings, draw_sample(settings, TABLE, [MapGeometry((96, 90, 94))], 1, k), ids


@pytest.mark.parametrize("step", [4, 8])
@pytest.mark.parametrize("k", range(6))
def test_the_box_that_a_sample_needs_gives_what_the_whole_map_gives(k: int, step: int) -> None:
    settings, parameters, ids = wild_sample(k, step)
    reach = measure_growth_reach(settings.growth, there(parameters.growth_mm), 1.0)
    box = find_needed_box(parameters, there(settings.crop.shape), reach)
    assert box.slices != tuple(slice(0, side) for side in ids.shape)
    deformer, row = Deformer(settings, TABLE, ids.shape), parameters.to_row()
    start = np.array(box.start, np.int32)
    # As in a batch: the boxes of others are larger.
    padded = np.pad(ids[box.slices], [(0, 7), (0, 3), (0, 40)])
    whole = ops.convert_to_numpy(deformer.find_places(ids, row))
    for part in (ids[box.slices], padded):
        places = ops.convert_to_numpy(deformer.find_places(part, row, start))
        np.testing.assert_allclose(places, whole, atol=1e-3)
    np.testing.assert_array_equal(
        deformer.deform(ids[box.slices], row, start), deformer.deform(ids, row)
    )


def test_a_smaller_box_would_not_do() -> None:
    """So the one above is no accident."""
    settings, parameters, ids = wild_sample(0, 4)
    box = find_needed_box(parameters, there(settings.crop.shape))
    deformer, row = Deformer(settings, TABLE, ids.shape), parameters.to_row()
    start = np.array(box.start, np.int32)
    places: list[Float32Array] = [
        ops.convert_to_numpy(found)
        for found in (
            deformer.find_places(ids, row),
            deformer.find_places(ids[box.slices], row, start),
        )
    ]
    assert np.abs(places[0] - places[1]).max() > 0.05


def test_it_is_the_same_however_it_is_compiled() -> None:
    settings, parameters, ids = wild_sample(1, 4)
    deformer = Deformer(settings, TABLE, ids.shape)

    def both(ids: Any, row: Any) -> tuple[Any, Any]:
        labels = deformer.deform(ids, row)
        return ops.cast(labels, "float32"), deformer.target(labels, row)

    found = list(in_every_way(both, ids, parameters.to_row()).values())
    for labels, _ in found[1:]:
        assert (labels == found[0][0]).mean() > 0.999
