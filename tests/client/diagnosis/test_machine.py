from __future__ import annotations

import platform
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from synthseg_client.diagnosis.machine import look_at_disks, look_at_memory, look_at_processor
from synthseg_common.processor import Processor, available_cores


def test_the_processor_is_told_with_what_makes_convolutions_fast() -> None:
    found = look_at_processor(Processor("A", "B", "1", frozenset({"avx", "avx2"})), serves=True)
    assert (found.facts["AVX2"], found.facts["VNNI"]) == (True, False)
    assert found.facts["cores"] == available_cores()
    assert found.problems == ()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="AVX is of x86")
def test_a_processor_without_avx_serves_nothing_but_may_ask() -> None:
    old = Processor("A", "B", "1", frozenset({"sse2"}))
    (problem,) = look_at_processor(old, serves=True).problems
    assert "AVX" in problem.what
    assert look_at_processor(old, serves=False).problems == ()


def test_memory_is_told_and_too_little_is_a_problem() -> None:
    found = look_at_memory()
    assert 0 < float(str(found.facts["free_gib"])) <= float(str(found.facts["limit_gib"]))
    (problem,) = look_at_memory(2**50).problems
    assert "--crop" in problem.remedy


def test_disks_are_told_by_their_room_alone(tmp_path: Path) -> None:
    found = look_at_disks(serves=True)
    assert set(found.facts) == {"temporary_folder_free_gib", "current_folder_free_gib"}
    assert all(isinstance(value, float) for value in found.facts.values())


def test_a_full_disk_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may fill a real one."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    temporary, here = look_at_disks(serves=True).problems
    assert "TMPDIR" in temporary.remedy
    assert "--o" in here.remedy
    assert len(look_at_disks(serves=False).problems) == 1
