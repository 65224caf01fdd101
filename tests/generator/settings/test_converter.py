"""Settings from what a file holds and back."""

from __future__ import annotations

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.converter import CONVERTER, is_group
from synthseg_generator.settings.generator import (
    Affine,
    Crop,
    GeneratorSettings,
    Mixture,
    Prior,
    Uniform,
)


def test_groups_are_settings_and_single_values_are_none() -> None:
    assert is_group(GeneratorSettings)
    assert is_group(Crop)
    assert not any(is_group(kind) for kind in (Uniform, Prior, int, tuple[int, ...]))


@pytest.mark.parametrize(
    "settings",
    [
        Crop(shape=None, spacing_mm=(1.5, 1.0, 1.0), jitter=3),
        Affine(),
        Mixture(means=Prior(distribution="normal", rows=((1.0, 2.0), (3.0, 4.0)))),
        GeneratorSettings(map_weights=(("bob", 2.0),)),
    ],
)
def test_settings_come_back_from_plain_lists_and_numbers(settings: object) -> None:
    plain = CONVERTER.unstructure(settings)
    assert _is_plain(plain)
    assert CONVERTER.structure(plain, type(settings)) == settings


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def test_settings_that_are_read_already_are_taken_as_they_are() -> None:
    crop = Crop(jitter=3)
    assert CONVERTER.structure({"crop": crop}, GeneratorSettings).crop is crop


@pytest.mark.parametrize(
    ("kind", "value"),
    [(float, True), (float, "1"), (int, 1.5), (int, float("inf")), (bool, 1), (str, 1)],
)
def test_no_value_is_guessed_from_one_of_another_type(kind: type[object], value: object) -> None:
    with pytest.raises(ConfigError, match=r"^expected "):
        CONVERTER.structure(value, kind)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert CONVERTER.structure(3.0, int) == 3
