"""What may grow, and what may have lesions."""

from __future__ import annotations

from typing import Any

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.anatomy import Growth, Lesions
from synthseg_generator.settings.generator import GeneratorSettings, Uniform, generator_settings

VENTRICLES = {"labels": [4, 43], "probability": 0.5, "distance_mm": [-1, 4]}


def test_growth_is_a_list_of_groups_in_a_file() -> None:
    settings = generator_settings({"growth": [VENTRICLES, {**VENTRICLES, "labels": [24]}]})
    assert settings.growth[0] == Growth(
        labels=(4, 43), probability=0.5, distance_mm=Uniform(-1, 4), reach_mm=4.0
    )
    assert [growth.labels for growth in settings.growth] == [(4, 43), (24,)]


def test_false_lets_nothing_grow() -> None:
    base = generator_settings({"growth": [VENTRICLES]})
    assert generator_settings({"growth": False}, base).growth == ()


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"labels": []}, r"growth\.labels needs label values"),
        ({"labels": [4, 4]}, r"growth\.labels needs label values, each once"),
        ({"labels": [0, 4]}, r"growth\.labels names 0: the background has no walls"),
        ({"probability": 2}, r"growth\.probability must lie between 0 and 1"),
        ({"reach_mm": 0}, r"growth\.reach_mm must be positive"),
        ({"distance_mm": [0, 6.4]}, r"must stay within 6\.4 mm.*reach_mm 4.*it folds the map"),
        ({"distance_mm": [-7, 0]}, "got -7 to 0; a longer reach allows more"),
        ({"distance_mm": "far"}, r"generator\.growth\[0\]\.distance_mm: expected \[low, high\]"),
        ({"pace": 1}, r"unknown setting generator\.growth\[0\]\.pace"),
    ],
)
def test_growth_of_nothing_and_growth_that_folds_the_map_are_refused(
    changed: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        generator_settings({"growth": [{**VENTRICLES, **changed}]})


def test_a_longer_reach_allows_longer_distances() -> None:
    (growth,) = generator_settings(
        {"growth": [{**VENTRICLES, "distance_mm": [-9, 9], "reach_mm": 6}]}
    ).growth
    assert growth.distance_mm == Uniform(-9, 9)


def test_a_growth_without_a_distance_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"generator\.growth\[0\]\.distance_mm is missing"):
        generator_settings({"growth": [{"labels": [4], "probability": 1}]})


def test_a_label_grows_by_one_distance() -> None:
    with pytest.raises(ConfigError, match="growth names label 43 twice"):
        generator_settings({"growth": [VENTRICLES, {**VENTRICLES, "labels": [43]}]})


def test_there_are_no_lesions_unless_asked_for() -> None:
    assert GeneratorSettings().lesions == Lesions(probability=0.0)


@pytest.mark.parametrize(
    ("lesions", "complaint"),
    [
        ({"probability": -1}, r"lesions\.probability"),
        ({"labels": []}, r"lesions\.labels needs label values"),
        ({"size_mm": 0}, r"lesions\.size_mm must be positive"),
        ({"means": {"rows": [[0, 1], [0, 2]]}}, r"lesions\.means needs one pair of numbers, got 2"),
        ({"stds": [3, 1]}, r"generator\.lesions\.stds"),
    ],
)
def test_impossible_lesions_are_refused(lesions: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        generator_settings({"lesions": lesions})
