from __future__ import annotations

import numpy as np
import pytest
from synthseg_common.arrays import BoolArray
from synthseg_common.labels import GENERATION_V2
from synthseg_generator.draws.sample_parameters import draw_sample
from synthseg_generator.draws.stripping import draw_stripped
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import Crop, GeneratorSettings, Stripping

TARGETS = np.array(GENERATION_V2.targets)


def _often(config: Stripping) -> BoolArray:
    rng = np.random.default_rng(0)
    return np.stack([draw_stripped(config, GENERATION_V2, rng) for _ in range(1000)])


def test_all_that_is_background_goes_at_once_and_the_brain_never() -> None:
    drawn = _often(Stripping(probability=0.5, csf_probability=0.0))
    stripped = drawn[:, TARGETS == 0]
    assert (stripped == stripped[:, :1]).all()
    assert stripped[:, 0].mean() == pytest.approx(0.5, abs=0.05)
    assert not drawn[:, TARGETS != 0].any()


def test_the_fluid_around_the_brain_goes_only_with_the_skull() -> None:
    drawn = _often(Stripping(probability=0.5, csf_probability=0.5))
    bare, dry = drawn[:, TARGETS == 0].all(1), drawn[:, TARGETS == 24].all(1)
    assert not (dry & ~bare).any()
    assert dry.mean() == pytest.approx(0.25, abs=0.04)
    assert not drawn[:, (TARGETS != 0) & (TARGETS != 24)].any()


def test_what_is_stripped_is_black_and_all_else_as_without_stripping() -> None:
    crop = Crop(shape=(32, 32, 32))
    plain, stripped = (
        draw_sample(settings, GENERATION_V2, [MapGeometry((40, 40, 40))], 1, 0).to_row()
        for settings in (
            GeneratorSettings(crop=crop),
            GeneratorSettings(crop=crop, stripping=Stripping(probability=1.0, csf_probability=0.0)),
        )
    )
    assert plain.keys() == stripped.keys()
    for name in plain.keys() - {"means", "stds"}:
        np.testing.assert_array_equal(plain[name], stripped[name])
    for name in ("means", "stds"):
        assert not stripped[name][TARGETS == 0].any()
        np.testing.assert_array_equal(stripped[name][TARGETS != 0], plain[name][TARGETS != 0])
