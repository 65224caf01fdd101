"""The figure of one sample step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthseg_generator.brain_generator import BrainGenerator
from synthseg_generator.pictures.stages import draw_stages, make_stages
from synthseg_generator.settings.generator import GeneratorSettings, generator_settings
from synthseg_generator.store.label_store import LabelStore


@pytest.fixture(scope="module")
def generator(store: LabelStore, small_settings: GeneratorSettings) -> BrainGenerator:
    return BrainGenerator(store, small_settings, seed=1)


def test_stages_lead_from_the_map_to_the_sample(
    generator: BrainGenerator, store: LabelStore
) -> None:
    stages = list(make_stages(generator, 2).values())
    assert set(np.unique(stages[0]).tolist()) <= set(store.labels.values)
    assert [stage.shape for stage in stages[1:]] == [(16, 16, 16)] * 5
    np.testing.assert_array_equal(stages[-1], generator.sample(2).image[..., 0])


def test_the_last_step_is_the_acquisition(generator: BrainGenerator) -> None:
    from synthseg_generator.graph.acquisition import apply_acquisition, compute_blur_reaches

    stages = make_stages(generator, 2)
    row = generator.source.parameters(2).to_row()
    shown = apply_acquisition(
        stages["gamma"][..., None],
        row["spacing_mm"],
        row["thickness_mm"],
        row["blur_factor"],
        reaches=compute_blur_reaches(generator.source.settings.acquisition, 1, 1.0),
    )
    np.testing.assert_allclose(np.asarray(shown)[..., 0], stages["resolution"], atol=1e-5)


def test_the_same_seed_draws_the_same_stages(tmp_path: Path, generator: BrainGenerator) -> None:
    for name in ("one", "two"):
        draw_stages(generator, tmp_path / f"{name}.png", n_samples=1)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_stages_show_lesions_and_all_other_parts(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    lesions = {"probability": 1, "labels": [2, 3, 41, 42], "threshold": [0, 0]}
    parts: dict[str, Any] = {
        "growth": [{"labels": [2, 41], "probability": 1, "distance_mm": [1, 2]}],
        "lesions": {**lesions, "means": [1000, 1000], "stds": [0, 0]},
        "field_of_view": {"probability": 1},
    }
    settings = generator_settings(parts, small_settings)
    generator = BrainGenerator(store, settings, seed=1)
    stages = make_stages(generator, 2)
    assert stages["mixture of Gaussians"].max() == 1000
    np.testing.assert_array_equal(stages["resolution"], generator.sample(2).image[..., 0])
