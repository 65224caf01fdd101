from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from synthseg_common.labels import CONTRAST_SPECIFIC_CLASSES, GENERATION_V2
from synthseg_generator.arrays import Row
from synthseg_generator.draws.sample_parameters import SampleParameters, draw_sample
from synthseg_generator.errors import ConfigError
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import (
    Acquisition,
    Crop,
    GeneratorSettings,
    LabelSettings,
    cube,
    generator_settings,
)

MAPS = (MapGeometry((48, 52, 50)), MapGeometry((48, 52, 50), (20.0, 25.0, 30.0)))
SETTINGS = GeneratorSettings(crop=Crop(shape=(32, 32, 32)), n_channels=2)


def _sample(seed: int = 1, k: int = 0, settings: GeneratorSettings = SETTINGS) -> Row:
    return draw_sample(settings, GENERATION_V2, MAPS, seed, k).to_row()


def test_sample_is_a_function_of_seed_and_number() -> None:
    first, again = _sample(k=5), _sample(k=5)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])


@pytest.mark.parametrize("other", [{"seed": 2}, {"k": 1}])
def test_another_seed_or_number_gives_another_sample(other: dict[str, Any]) -> None:
    first, second = _sample(), _sample(**other)
    assert any(not np.array_equal(first[name], second[name]) for name in ("matrix", "means"))


def test_row_and_back_is_the_same_sample() -> None:
    row = _sample()
    back = SampleParameters.from_row(row).to_row()
    assert row.keys() == back.keys()
    assert all(row[name] is back[name] for name in row)


def test_rows_have_one_shape_whatever_was_drawn() -> None:
    shapes = [{n: np.shape(v) for n, v in _sample(k=k).items()} for k in range(20)]
    assert all(shape == shapes[0] for shape in shapes)


def test_crops_stay_within_the_map() -> None:
    starts = np.array([_sample(k=k)["crop_start"] for k in range(200)])
    assert starts.min() >= 0
    assert np.all(starts.max(axis=0) < np.array([48, 52, 50]) - 32)


def test_crop_larger_than_the_map_is_refused() -> None:
    settings = dataclasses.replace(SETTINGS, crop=Crop(shape=(64, 64, 64)))
    with pytest.raises(ConfigError, match=r"crop\.shape \(64, 64, 64\) is larger"):
        _sample(settings=settings)


# What `draw_sample` gave for the released settings when the first runs and plans were begun, with
# NumPy 2.4: seed 3, sample 0 of the maps above. Another order of draws would change every sample.
FIRST_DRAWS: dict[str, list[float]] = {
    "map_index": [1],
    "matrix": [0.825581, -0.0429687, 0.135275],
    "velocity": [-0.271189, 1.08878, -0.227136],
    "crop_start": [13, 5, 10],
    "flip": [1],
    "means": [153.227, 221.179, 49.1598],
    "stds": [6.15697, 16.1076, 22.2377],
    "log_bias": [-0.0419816, -0.00526808],
    "gamma": [3.1278, 0.766621],
    "spacing_mm": [2.38861, 1.0, 1.0],
    "noise_seed": [1734880768, 1354815110],
    "blur_factor": [1.00692, 1.00405, 0.982126],
}


def test_samples_stay_those_that_runs_and_plans_were_begun_with() -> None:
    row = draw_sample(SETTINGS, GENERATION_V2, MAPS, 3, 0).to_row()
    for name, expected in FIRST_DRAWS.items():
        np.testing.assert_allclose(np.ravel(row[name])[: len(expected)], expected, rtol=1e-5)


def test_maps_are_taken_by_weight() -> None:
    weighted = [dataclasses.replace(MAPS[0], weight=3.0), MAPS[1]]
    taken = [
        int(draw_sample(SETTINGS, GENERATION_V2, weighted, 1, k).map_index) for k in range(200)
    ]
    assert np.mean(taken) == pytest.approx(0.25, abs=0.1)


def test_a_map_without_weight_is_never_taken() -> None:
    weighted = [dataclasses.replace(MAPS[0], weight=0.0), MAPS[1]]
    taken = {int(draw_sample(SETTINGS, GENERATION_V2, weighted, 1, k).map_index) for k in range(20)}
    assert taken == {1}


def test_weights_change_which_map_is_taken_and_nothing_else_of_the_sample() -> None:
    weighted = [dataclasses.replace(MAPS[0], weight=0.0), MAPS[1]]
    plain = [draw_sample(SETTINGS, GENERATION_V2, MAPS, 1, k).to_row() for k in range(5)]
    changed = [draw_sample(SETTINGS, GENERATION_V2, weighted, 1, k).to_row() for k in range(5)]
    for first, second in zip(plain, changed, strict=True):
        for name in ("matrix", "means", "gamma", "noise_seed"):
            np.testing.assert_array_equal(first[name], second[name])


def test_no_weight_at_all_is_refused() -> None:
    weightless = [dataclasses.replace(geometry, weight=0.0) for geometry in MAPS]
    with pytest.raises(ConfigError, match="map_weights"):
        draw_sample(SETTINGS, GENERATION_V2, weightless, 1, 0)


def test_spacing_is_never_finer_than_the_voxels_of_the_map() -> None:
    coarse = [dataclasses.replace(geometry, voxel_size_mm=2.0) for geometry in MAPS]
    spacing = [
        draw_sample(SETTINGS, GENERATION_V2, coarse, 1, k).spacing_mm.min() for k in range(20)
    ]
    assert min(spacing) == 2


def test_fixed_spacing_leaves_all_other_draws_as_they_are() -> None:
    fixed = dataclasses.replace(SETTINGS, acquisition=Acquisition(fixed_spacing_mm=((1, 1, 5),)))
    first, second = _sample(k=4), _sample(k=4, settings=fixed)
    differing = {name for name in first if not np.array_equal(first[name], second[name])}
    assert differing == {"spacing_mm", "thickness_mm"}


def test_a_whole_map_starts_at_its_first_voxel_and_has_its_own_bias_grid() -> None:
    whole = dataclasses.replace(SETTINGS, crop=Crop(shape=None, spacing_mm=cube(2.0)))
    row = _sample(settings=whole)
    assert row["crop_start"].tolist() == [0, 0, 0]
    assert row["log_bias"].shape == (2, 2, 2, 2)


def test_classes_of_the_settings_take_the_place_of_the_table_s() -> None:
    classes = LabelSettings(classes=CONTRAST_SPECIFIC_CLASSES)
    means = _sample(settings=dataclasses.replace(SETTINGS, labels=classes))["means"]
    left, right = (GENERATION_V2.values.index(value) for value in (2, 41))
    np.testing.assert_array_equal(means[left], means[right])
    assert not np.array_equal(_sample()["means"][left], _sample()["means"][right])


LATER: dict[str, dict[str, Any]] = {
    "growth": {"growth": [{"labels": [4, 43], "probability": 1, "distance_mm": [1, 2]}]},
    "lesions": {"lesions": {"probability": 1}},
    "stripping": {"stripping": {"probability": 1}},
    "field_of_view": {"field_of_view": {"probability": 1}},
}
ADDED: dict[str, set[str]] = {
    "growth": {"growth_mm"},
    "lesions": {"lesion_nodes", "lesion_threshold", "lesion_means", "lesion_stds"},
    "stripping": set(),
    "field_of_view": {"field_of_view"},
}


@pytest.mark.parametrize("part", LATER)
def test_parts_that_came_later_change_nothing_else_of_a_sample(part: str) -> None:
    plain, changed = _sample(k=4), _sample(k=4, settings=generator_settings(LATER[part], SETTINGS))
    assert set(changed) - set(plain) == ADDED[part]
    differing = {name for name in plain if not np.array_equal(plain[name], changed[name])}
    assert differing == ({"means", "stds"} if part == "stripping" else set())


def test_parts_that_came_later_change_nothing_of_each_other() -> None:
    every = {name: value for part in LATER.values() for name, value in part.items()}
    together = _sample(k=4, settings=generator_settings(every, SETTINGS))
    for part, names in ADDED.items():
        alone = _sample(k=4, settings=generator_settings(LATER[part], SETTINGS))
        for name in names:
            np.testing.assert_array_equal(alone[name], together[name], strict=True)


def test_rows_with_all_parts_have_one_shape_and_type_and_come_back() -> None:
    every = {name: value for part in LATER.values() for name, value in part.items()}
    half = generator_settings(every, SETTINGS)
    half = dataclasses.replace(
        half,
        growth=tuple(dataclasses.replace(growth, probability=0.5) for growth in half.growth),
        lesions=dataclasses.replace(half.lesions, probability=0.5),
    )
    rows = [_sample(k=k, settings=half) for k in range(12)]
    shapes = [{n: (np.shape(v), np.asarray(v).dtype) for n, v in row.items()} for row in rows]
    assert all(shape == shapes[0] for shape in shapes)
    assert SampleParameters.from_row(rows[0]).to_row().keys() == rows[0].keys()


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"growth": [{"labels": [99], "probability": 1, "distance_mm": [1, 2]}]}, "growth"),
        ({"lesions": {"probability": 0.1, "labels": [99]}}, "lesions"),
    ],
)
def test_labels_that_the_table_lacks_are_refused(values: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=rf"{setting}\.labels: .* has no label 99"):
        _sample(settings=generator_settings(values, SETTINGS))


def test_lesions_of_labels_that_the_table_lacks_do_not_matter_while_they_are_off() -> None:
    _sample(settings=generator_settings({"lesions": {"labels": [99]}}, SETTINGS))
