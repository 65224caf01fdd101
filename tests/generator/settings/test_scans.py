"""Settings of the noise that is added to scans."""

from __future__ import annotations

from typing import Any

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import Uniform
from synthseg_generator.settings.scans import ScanNoise


@pytest.mark.parametrize("wrong", [{"std": Uniform(-1, 2)}, {"probability": 1.5}])
def test_impossible_noise_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"noise.{next(iter(wrong))} must"):
        ScanNoise(**wrong)
