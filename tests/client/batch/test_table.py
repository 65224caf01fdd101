from __future__ import annotations

import os
from pathlib import Path

import pytest
from sessions import segment_into
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.session import Session
from synthseg_client.errors import OutputError


def test_a_name_that_is_no_utf_8_keeps_its_row_and_its_bytes(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    (scans / "s0.nii.gz").rename(scans / os.fsdecode(b"caf\xe9.nii.gz"))
    assert {o.status for o in segment_into(session, scans, tmp_path)} == {"done"}
    assert b"\ncaf\xe9," in (tmp_path / "vol.csv").read_bytes()


def test_a_table_that_cannot_be_written_is_told_when_all_scans_are_through(
    session: Session, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthseg_client.batch.table._TABLE_EVERY_S", 0)
    plan = plan_batch([str(scans)], tmp_path / "out", volumes=tmp_path / "vol.csv")
    (tmp_path / "vol.csv").mkdir()
    outcomes = run_batch(session, plan, BatchSettings())
    assert [next(outcomes).status for _ in plan.tasks] == ["done"] * 4
    with pytest.raises(OutputError, match=r"vol\.csv: cannot be written"):
        next(outcomes)
