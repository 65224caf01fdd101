from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from contract_server import ContractServer, serving
from synthseg_client.answers.cleanup import clean_up
from synthseg_client.answers.evidence import Evidence
from synthseg_client.answers.posteriors import CleanPosteriors
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.session import Session
from synthseg_client.geometry.grids import Prepared, prepare
from synthseg_client.inputs.scans import Scan
from synthseg_client.model import Model
from synthseg_common.arrays import AnyArray


def test_the_server_never_waits_for_the_client(
    model: ContractServer,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it has a scan, the next one is prepared; while one is cleaned up, it has the next."""
    from synthseg_client.segmentation import one_scan

    folder, scans = tmp_path / "many", 8
    folder.mkdir()
    for index in range(scans):
        save_scan(folder / f"s{index}.nii.gz", (60, 60, 60), np.diag([1.0, 1, 1, 1]), seed=index)
    course = _Course()
    waited: list[bool] = []

    def prepare_noted(scan: Scan, target_mm: float) -> Prepared:
        prepared = prepare(scan, target_mm)
        course.note("prepared")
        return prepared

    def answer(outputs: dict[str, AnyArray]) -> dict[str, AnyArray]:
        number = course.note("asked")
        waited.append(course.reaches("prepared", min(number + 1, scans)))
        return outputs

    def clean_up_noted(evidence: Evidence, model: Model, *, fast: bool) -> CleanPosteriors:
        number = course.note("answered")
        waited.append(course.reaches("asked", min(number + 1, scans)))
        return clean_up(evidence, model, fast=fast)

    monkeypatch.setattr(one_scan, "prepare", prepare_noted)
    monkeypatch.setattr(one_scan, "clean_up", clean_up_noted)
    model.tamper = answer
    with serving(model) as address, Session(address) as session:
        plan = plan_batch([str(folder)], tmp_path / "out")
        outcomes = list(run_batch(session, plan, BatchSettings(jobs=3)))
    assert [o.status for o in outcomes] == ["done"] * scans
    assert waited == [True] * 2 * scans
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(sorted(model.busy)))


class _Course:
    """Counts what happens in several threads, and waits for it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()

    def note(self, what: str) -> int:
        with self._changed:
            self._counts[what] += 1
            self._changed.notify_all()
            return self._counts[what]

    def reaches(self, what: str, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._counts[what] >= count, timeout=60)
