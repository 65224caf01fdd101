"""An opened plan: its samples, and the plans that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from equal_samples import assert_same_parameters
from synthseg_generator.errors import StoreError
from synthseg_generator.feed.plan import open_plan
from synthseg_generator.feed.plan_writing import write_plan
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.settings.files import dump_settings
from synthseg_generator.settings.generator import GeneratorSettings, generator_settings
from synthseg_generator.store.label_store import LabelStore

N_SAMPLES = 150  # three blocks, the last one shorter


@pytest.mark.parametrize("k", [0, 63, 64, N_SAMPLES - 1])
def test_a_planned_sample_is_the_drawn_one(
    plan_path: Path, source: SampleSource, store: LabelStore, k: int
) -> None:
    assert_same_parameters(source.parameters(k), open_plan(plan_path, store).parameters(k))


def test_a_plan_says_what_it_was_drawn_from(
    plan_path: Path, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    plan = open_plan(plan_path, store)
    assert plan.settings == small_settings
    assert (plan.seed, plan.n_samples) == (5, N_SAMPLES)
    assert plan.versions["numpy"] == np.__version__


def test_a_plan_for_other_label_maps_is_refused(plan_path: Path, store: LabelStore) -> None:
    with pytest.raises(StoreError, match="drawn for other label maps"):
        open_plan(plan_path, store.select(["alice"]))


def test_samples_beyond_the_plan_are_refused(plan_path: Path, store: LabelStore) -> None:
    with pytest.raises(StoreError, match="holds samples 0 to 149, asked for 150"):
        open_plan(plan_path, store).parameters(N_SAMPLES)


def test_another_format_version_is_refused(
    tmp_path: Path, source: SampleSource, store: LabelStore
) -> None:
    write_plan(source, 3, tmp_path / "plan.zarr")
    zarr.open_group(tmp_path / "plan.zarr", mode="r+").attrs.update({"format_version": 99})
    with pytest.raises(StoreError, match="plan format 99, expected 1"):
        open_plan(tmp_path / "plan.zarr", store)


def test_a_plan_of_a_version_without_later_parts_is_read(
    tmp_path: Path, source: SampleSource, store: LabelStore
) -> None:
    """Neither its settings nor its rows know of growth, lesions, stripping and field of view."""
    write_plan(source, 3, tmp_path / "plan.zarr")
    group = zarr.open_group(tmp_path / "plan.zarr", mode="r+")
    settings = dump_settings(source.settings)
    for name in ("growth", "lesions", "stripping", "field_of_view"):
        del settings[name]
    group.attrs.update({"settings": settings})
    assert {"growth_mm", "lesion_nodes", "field_of_view"}.isdisjoint(group.array_keys())
    plan = open_plan(tmp_path / "plan.zarr", store)
    assert plan.settings == source.settings
    assert_same_parameters(source.parameters(2), plan.parameters(2))
    assert plan.parameters(2).growth_mm is None
    assert write_plan(source, 3, tmp_path / "plan.zarr").n_samples == 3  # it is the same plan


def test_a_plan_holds_the_later_parts_of_its_settings(
    tmp_path: Path, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    settings = generator_settings(
        {
            "growth": [{"labels": [2, 41], "probability": 0.5, "distance_mm": [1, 2]}],
            "lesions": {"probability": 0.5},
            "stripping": {"probability": 0.5},
            "field_of_view": {"probability": 0.5},
        },
        small_settings,
    )
    source = SampleSource(store, settings, seed=5)
    plan = write_plan(source, 4, tmp_path / "plan.zarr")
    assert plan.settings == settings
    for k in range(4):
        assert_same_parameters(source.parameters(k), plan.parameters(k))
    assert plan.parameters(0).lesion_nodes is not None
