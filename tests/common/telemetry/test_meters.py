"""What every program tells of itself."""

from __future__ import annotations

from prometheus_client import Counter, generate_latest
from synthseg_common.memory import memory_limit
from synthseg_common.telemetry.meters import Labelled, new_registry


def test_version_and_memory_are_told_under_the_program_s_own_names() -> None:
    registry = new_registry("mine")
    assert registry.get_sample_value("mine_process_resident_memory_bytes")
    limit = memory_limit()
    assert limit is not None
    assert registry.get_sample_value("mine_memory_limit_bytes") == limit.size_bytes
    names = {metric.name for metric in registry.collect()}
    assert all(name.startswith("mine_") for name in names), "node exporter has its own process_..."


def test_labels_are_added_to_every_series() -> None:
    registry = new_registry("mine")
    Counter("mine_things", "Things.", ["kind"], registry=registry).labels("a").inc()
    page = generate_latest(Labelled(registry, {"run": "r1"})).decode()
    assert 'mine_things_total{kind="a",run="r1"} 1.0' in page
    series = [line for line in page.splitlines() if not line.startswith("#")]
    assert all('run="r1"' in line for line in series)
