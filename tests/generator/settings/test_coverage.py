"""What a scan shows of the head."""

from __future__ import annotations

from typing import Any

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import GeneratorSettings, generator_settings


def test_scans_are_whole_unless_asked_for() -> None:
    settings = GeneratorSettings()
    assert settings.stripping.probability == settings.field_of_view.probability == 0


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"stripping": {"probability": 2}}, r"stripping\.probability"),
        ({"stripping": {"csf_probability": -1}}, r"stripping\.csf_probability"),
        ({"field_of_view": {"probability": 2}}, r"field_of_view\.probability"),
        ({"field_of_view": {"fraction": [0, 1]}}, r"field_of_view\.fraction must lie above 0"),
        ({"field_of_view": {"fraction": [0.5, 1.1]}}, "got 0.5 to 1.1"),
    ],
)
def test_impossible_coverage_is_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        generator_settings(values)
