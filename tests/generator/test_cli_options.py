"""The samples that options name."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_common.command_line import UsageProblem
from synthseg_generator.cli_options import SourceOptions, open_source, progress_bar
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.scans.samples import ScanSampleSource
from synthseg_generator.store.label_store import LabelStore


def test_without_a_plan_samples_are_drawn_from_the_seed(store_path: Path) -> None:
    source = open_source(SourceOptions(store=str(store_path), seed=7))
    assert type(source) is SampleSource
    assert (source.seed, source.store.names) == (7, ("alice", "bob", "carol"))


def test_maps_are_left_out_by_name(store_path: Path) -> None:
    options = SourceOptions(store=str(store_path), seed=0, without=("alice", "carol"))
    assert open_source(options).store.names == ("bob",)


def test_no_map_left_is_a_problem_of_usage(store_path: Path) -> None:
    options = SourceOptions(store=str(store_path), seed=0, without=("alice", "bob", "carol"))
    with pytest.raises(UsageProblem, match="--without leaves no map"):
        open_source(options)


def test_scans_take_their_noise_from_the_settings(tmp_path: Path, scan_store: LabelStore) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("supervised: {noise: {std: [1, 2]}}")
    options = SourceOptions(store=scan_store.path, seed=0, settings_path=path, scans=True)
    source = open_source(options)
    assert isinstance(source, ScanSampleSource)
    assert (source.noise.std.low, source.noise.std.high) == (1, 2)


def test_where_nobody_watches_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("ingest") as show:
        show(1, 2)
    assert capsys.readouterr().err == ""
