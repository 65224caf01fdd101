"""Scans sent to the contract server, one or a batch, and policies of patience for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from contract_server import ContractServer, serving
from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.model import Model
from synthseg_client.options import Options
from synthseg_common import contract
from synthseg_common.arrays import AnyArray, Float32Array

IMAGE = np.random.default_rng(0).random((20, 24, 28)).astype(np.float32)
MIN_SIZE = (32, 32, 32)
JOURNAL = "journal.jsonl"
IMPATIENT = RetryPolicy(attempts=3, first_wait_s=0.01, server_wait_s=0)
# Waits end with what a test does, not with their limits; those tests that show a limit set it.
PATIENT = RetryPolicy(first_wait_s=0.01, server_wait_s=600)
SOON_OVER = RetryPolicy(first_wait_s=0.01, server_wait_s=1.2)


def send_scan(
    session: Session,
    image: Float32Array = IMAGE,
    *,
    flip: bool = True,
    metadata: Mapping[str, str] | None = None,
) -> tuple[dict[str, AnyArray], Model]:
    """The evidence for an image, and the model that gave it."""
    return session.segment(image, MIN_SIZE, flip=flip, outputs=contract.EVIDENCE, metadata=metadata)


def segment_folder(
    session: Session, scans: Path, *, jobs: int = 2, requests: int = 1
) -> list[Outcome]:
    """Segments all scans of a folder into `out` beside it."""
    plan = plan_batch([str(scans)], scans.parent / "out")
    return list(run_batch(session, plan, BatchSettings(jobs=jobs, requests=requests)))


def count_outcomes(outcomes: Iterable[Outcome]) -> Counter[str]:
    """How many were done, failed, or were left."""
    return Counter("left" if o.left else o.status for o in outcomes)


def refused_of(plan: BatchPlan) -> dict[str, str]:
    """Why scans of a plan were refused, by their paths."""
    return {str(refusal.task.scan): refusal.reason for refusal in plan.refused}


def names_of(paths: Iterable[str | Path]) -> list[str]:
    """File names without their folders."""
    return [Path(path).name for path in paths]


class Once:
    """Does something at the n-th call, counted from 1; takes whatever it is called with."""

    def __init__(self, do: Callable[[], object], at: int = 1) -> None:
        self.calls = 0
        self._do, self._at = do, at

    def __call__(self, *_: object) -> None:
        self.calls += 1
        if self.calls == self._at:
            self._do()


def segment_into(
    session: Session,
    scans: Path,
    tmp_path: Path,
    options: Options | None = None,
    *,
    jobs: int = 2,
    resume: bool = False,
) -> list[Outcome]:
    """Segments scans into `out` in a folder, with a table and a journal there."""
    plan = plan_batch([str(scans)], tmp_path / "out", volumes=tmp_path / "vol.csv")
    chosen = BatchSettings(
        options=options or Options(), journal=tmp_path / JOURNAL, jobs=jobs, resume=resume
    )
    return list(run_batch(session, plan, chosen))


@contextmanager
def session_with(*models: ContractServer) -> Iterator[Session]:
    """A session with several servers behind one name, to all of which it is connected."""
    with ExitStack() as stack:
        ports = [stack.enter_context(serving(m, "127.0.0.1:0")).rpartition(":")[2] for m in models]
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        session = stack.enter_context(Session(target, retry=IMPATIENT))
        deadline = time.monotonic() + 60
        while not all(model.requests for model in models):
            session.predict({contract.IMAGE: IMAGE}, [contract.LABELS])
            assert time.monotonic() < deadline
        for model in models:
            model.requests.clear()
        yield session
