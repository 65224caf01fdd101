from __future__ import annotations

from typing import Any

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.files import digest_settings
from synthseg_generator.settings.generator import (
    GeneratorSettings,
    Growth,
    Uniform,
    generator_settings,
)

DIGEST_BEFORE = "5823bffb286b8dcd09423cc9ce4915de77b2a589c9376014d4f1d20cd047fcc9"
VENTRICLES = {"labels": [4, 43], "probability": 0.3, "distance_mm": [0, 5]}


def test_growth_is_a_list_in_a_settings_file() -> None:
    settings = generator_settings({"growth": [VENTRICLES, {**VENTRICLES, "labels": [17, 53]}]})
    assert settings.growth[0] == Growth(
        labels=(4, 43), probability=0.3, distance_mm=Uniform(0, 5), reach_mm=4.0
    )
    assert settings.growth[1].labels == (17, 53)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": []}, "growth.labels needs label values"),
        ({"labels": [4, 4]}, "each once"),
        ({"labels": [0]}, "the background has no walls"),
        ({"probability": 1.5}, "growth.probability"),
        ({"reach_mm": 0}, "growth.reach_mm"),
        ({"distance_mm": [0, 7]}, "a longer reach allows more"),
        ({"distance_mm": [-7, 0]}, "a longer reach allows more"),
    ],
)
def test_growth_that_makes_no_sense_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        generator_settings({"growth": [{**VENTRICLES, **change}]})


def test_a_label_that_would_grow_by_two_distances_is_refused() -> None:
    with pytest.raises(ConfigError, match="label 4 twice"):
        generator_settings({"growth": [VENTRICLES, {**VENTRICLES, "labels": [4]}]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"probability": -0.1}, "lesions.probability"),
        ({"labels": []}, "lesions.labels"),
        ({"size_mm": 0}, "lesions.size_mm"),
        ({"means": {"rows": [[0, 1], [0, 1]]}}, "lesions.means needs one pair"),
    ],
)
def test_impossible_lesions_are_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        generator_settings({"lesions": change})


def test_settings_without_these_parts_keep_the_name_that_they_had_before_them() -> None:
    # Written with the version before these parts: plans and runs of it are still taken for its own.
    assert digest_settings(GeneratorSettings()) == DIGEST_BEFORE
    assert digest_settings(generator_settings({"growth": [VENTRICLES]})) != DIGEST_BEFORE
    assert digest_settings(generator_settings({"lesions": {"probability": 0.1}})) != DIGEST_BEFORE
