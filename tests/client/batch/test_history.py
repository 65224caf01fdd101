"""Runs that share a folder: nothing is done or fetched twice, nothing of others is replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from client_command import run_client
from contract_server import ContractServer
from synthseg_client.results.scan_records import RECORDS
from synthseg_common import object_storage as storage


def test_parts_of_a_folder_here_share_no_file_and_either_way_of_recording_is_gone_on_with(
    address: str, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("segment", "--i", scans, "--o", out, "--resume", "--server", address)
    for part in ("1/2", "2/2"):
        assert run_client(*words, "--shard", part).exit_code == 0
    assert not (out / ".synthseg-journal.jsonl").exists()
    assert len(list((out / RECORDS).iterdir())) == len(model.requests) == 4
    assert run_client(*words).stderr.count("already done") == 4
    (out / RECORDS / "s0_synthseg.nii.gz.json").unlink()
    assert run_client(*words).stderr.count("already done") == 3
    assert run_client(*words, "--shard", "1/1").stderr.count("already done") == 4
    assert len(model.requests) == 5


def test_no_scan_is_fetched_twice_nor_to_see_that_it_is_done(
    address: str,
    bucket: str,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in "ab":
        storage.put(save_scan(tmp_path / f"{name}.nii.gz"), f"{bucket}/in/{name}.nii.gz")
    fetched: Counter[str] = Counter()
    get = storage.get

    def counted(url: str, local: Path) -> Any:
        fetched[url] += 1
        return get(url, local)

    monkeypatch.setattr(storage, "get", counted)
    words = ("segment", "--i", f"{bucket}/in", "--o", f"{bucket}/out/", "--resume")
    for _ in range(2):
        assert run_client(*words, "--server", address).exit_code == 0
    assert fetched == {f"{bucket}/in/a.nii.gz": 1, f"{bucket}/in/b.nii.gz": 1}


def test_a_scan_that_another_run_finished_meanwhile_is_left_as_it_is(
    address: str,
    model: ContractServer,
    bucket: str,
    tmp_path: Path,
    save_scan: Callable[..., Path],
) -> None:
    storage.put(save_scan(tmp_path / "a.nii.gz"), f"{bucket}/in/a.nii.gz")
    words = ("segment", "--i", f"{bucket}/in", "--o", f"{bucket}/out/", "--resume")

    def overtake(_: object) -> None:
        model.arrived = lambda _: None
        assert run_client(*words, "--server", address).exit_code == 0

    model.arrived = overtake
    run = run_client(*words, "--server", address)
    assert run.exit_code == 0, run.output
    assert "already done" in run.stderr
    assert len(model.requests) == 2


def test_results_of_another_scan_that_is_still_there_are_not_replaced(
    address: str, bucket: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    for index, place in enumerate(("one", "two")):
        storage.put(save_scan(tmp_path / "a.nii.gz", seed=index), f"{bucket}/{place}/a.nii.gz")
    words = ("--o", f"{bucket}/out/", "--resume", "--server", address)
    assert run_client("segment", "--i", f"{bucket}/one", *words).exit_code == 0
    run = run_client("segment", "--i", f"{bucket}/two", *words)
    assert run.exit_code == 1
    assert f"was made of another scan, {bucket}/one/a.nii.gz" in run.stderr
    storage.remove([f"{bucket}/one/a.nii.gz"])
    assert run_client("segment", "--i", f"{bucket}/two", *words).exit_code == 0
