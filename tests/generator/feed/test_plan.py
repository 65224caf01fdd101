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
from synthseg_generator.settings.generator import GeneratorSettings
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
