"""What is black in a skull-stripped scan."""

from __future__ import annotations

import numpy as np
import pytest
from synthseg_common.labels import GENERATION_V1, GENERATION_V2, GenerationLabels
from synthseg_generator.draws.stripping import draw_stripped
from synthseg_generator.settings.generator import Stripping


def black(config: Stripping, labels: GenerationLabels = GENERATION_V2, seed: int = 0) -> set[int]:
    """Label values that are black."""
    stripped = draw_stripped(config, labels, np.random.default_rng(seed))
    return {value for value, gone in zip(labels.values, stripped, strict=True) if gone}


def test_what_the_network_calls_background_is_black() -> None:
    hidden = {v for v, t in zip(GENERATION_V2.values, GENERATION_V2.targets, strict=True) if t == 0}
    assert black(Stripping(probability=1, csf_probability=0)) == hidden
    assert {0, 516} <= hidden
    assert black(Stripping(probability=1, csf_probability=1)) == hidden | {24}


def test_csf_is_always_gone_where_it_is_background() -> None:
    assert 24 in black(Stripping(probability=1, csf_probability=0), GENERATION_V1)


def test_nothing_is_black_in_other_samples() -> None:
    assert black(Stripping(probability=0)) == set()


@pytest.mark.parametrize(("label", "chance"), [(516, 0.5), (24, 0.25)])
def test_chances_are_those_of_the_settings(label: int, chance: float) -> None:
    config = Stripping(probability=0.5, csf_probability=0.5)
    found = [label in black(config, seed=seed) for seed in range(400)]
    assert abs(np.mean(found) - chance) < 0.08
