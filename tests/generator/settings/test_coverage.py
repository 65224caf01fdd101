from __future__ import annotations

from typing import Any

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import (
    FieldOfView,
    GeneratorSettings,
    Stripping,
    Uniform,
    generator_settings,
)


def test_scans_are_whole_heads_unless_told_otherwise() -> None:
    settings = GeneratorSettings()
    assert settings.stripping.probability == 0
    assert settings.field_of_view.probability == 0


def test_both_are_groups_in_a_settings_file() -> None:
    settings = generator_settings(
        {
            "stripping": {"probability": 0.5},
            "field_of_view": {"probability": 0.1, "fraction": [0.4, 0.9]},
        }
    )
    assert settings.stripping == Stripping(probability=0.5, csf_probability=0.5)
    assert settings.field_of_view == FieldOfView(probability=0.1, fraction=Uniform(0.4, 0.9))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stripping": {"probability": 2}}, "stripping.probability"),
        ({"stripping": {"csf_probability": -1}}, "stripping.csf_probability"),
        ({"field_of_view": {"probability": 2}}, "field_of_view.probability"),
        ({"field_of_view": {"fraction": [0, 0.5]}}, "must lie above 0"),
        ({"field_of_view": {"fraction": [0.5, 1.5]}}, "not above 1"),
    ],
)
def test_impossible_coverage_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        generator_settings(values)
