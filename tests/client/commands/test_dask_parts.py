"""`segment --dask` on real Dask workers, one of which is killed in the midst of it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from client_command import run_client
from contract_server import ContractServer, serving
from distributed import Client, LocalCluster
from sessions import Once


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as running:
        yield running


def is_loaded(package: str) -> bool:
    return package in sys.modules


@pytest.mark.slow
def test_a_dataset_is_whole_though_a_worker_was_killed(
    cluster: LocalCluster, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for index in range(8):
        save_scan(scans / f"s{index}.nii.gz", seed=index)
    (scans / "broken.nii").write_text("no scan")
    pids = [worker.pid for worker in cluster.workers.values()]
    server = ContractServer()
    server.arrived = Once(lambda: os.kill(pids[0], signal.SIGKILL), at=3)
    words = ("segment", "--i", scans, "--o", out, "--dask", cluster.scheduler_address)
    with serving(server) as address:
        run = run_client(*words, "--json", "--server", address)
        assert run.exit_code == 1, run.output
        assert f"FAILED {scans / 'broken.nii'}: " in run.stderr
        assert len(run.stdout.splitlines()) == 9
        merged = run_client("merge", out, "--i", scans, "--o", tmp_path / "t.csv")
    assert "9 scans, 8 done, 1 failed" in merged.stderr
    assert len(server.requests) <= 10
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        assert not any(client.run(is_loaded, "tensorflow").values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--server", "s:1", "--shard", "1/2"], "choose one of them"),
        ([], "name a model server"),
        (["--server", "s:1", "--report", "r"], "synthseg-client report makes it"),
    ],
)
def test_what_does_not_go_with_a_cluster_is_told(words: list[str], said: str) -> None:
    run = run_client("segment", "--i", "s.nii", "--o", "o", "--dask", "tcp://127.0.0.1:9", *words)
    assert run.exit_code == 2
    assert said in run.output


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthseg_client.commands.dask_parts._CONNECT_S", 0.5)
    words = ("segment", "--i", "s.nii", "--o", "o", "--dask", "tcp://127.0.0.1:9")
    run = run_client(*words, "--server", "s:1")
    assert run.exit_code == 1
    assert "tcp://127.0.0.1:9: no Dask scheduler answers" in run.output
