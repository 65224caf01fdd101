"""A source of small samples, and a plan of it, for all that reads either."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_generator.feed.plan_writing import write_plan
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore

N_SAMPLES = 150  # three blocks, the last one shorter


@pytest.fixture(scope="module")
def source(store: LabelStore, small_settings: GeneratorSettings) -> SampleSource:
    return SampleSource(store, small_settings, seed=5)


@pytest.fixture(scope="module")
def plan_path(tmp_path_factory: pytest.TempPathFactory, source: SampleSource) -> Path:
    path = tmp_path_factory.mktemp("plan") / "plan.zarr"
    write_plan(source, N_SAMPLES, path)
    return path
