"""The callers of `examples/other_services`, in front of running servers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from contract_server import ContractServer, serving
from synthseg_client import read_scan
from typed import there

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE = REPOSITORY / "examples/other_services"
MESSAGES = REPOSITORY / "client/synthseg_client"
SHAPE = (32, 32, 32)
Words = list[str]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Words:
    folder = tmp_path_factory.mktemp("python")
    shutil.copy(EXAMPLE / "python/caller.py", folder)
    shutil.copy(MESSAGES / "messages_pb2.py", folder)  # what protoc makes of messages.proto
    return [sys.executable, str(folder / "caller.py")]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Words:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    for path in (EXAMPLE / "node").iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    installed = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"npm could not install: {installed.stderr.decode()[-200:]}")
    return ["node", str(folder / "caller.mjs"), "--proto", str(MESSAGES)]


LANGUAGES = ["python", pytest.param("node", marks=pytest.mark.slow)]


@pytest.fixture(params=LANGUAGES)
def caller(request: pytest.FixtureRequest) -> Words:
    words: Words = request.getfixturevalue(request.param)
    return words


@pytest.fixture
def scans(tmp_path: Path) -> list[str]:
    """Ten scans, with voxels of three types."""
    paths = [tmp_path / f"{i}.nii{'.gz' * (i % 2)}" for i in range(10)]
    for number, path in enumerate(paths):
        image = np.random.default_rng(number).uniform(0, 90, SHAPE)
        kinds: list[Any] = [np.float32, np.int16, np.uint8]
        nib.save(nib.Nifti1Image(image.astype(kinds[number % 3]), np.eye(4)), path)
    return [str(path) for path in paths]


@pytest.fixture(scope="module")
def busy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded server as a process of its own, where one may wait, so that most are refused."""
    folder = tmp_path_factory.mktemp("serving")
    command = [sys.executable, "-m", "synthseg_serving", "serve", "--queue", "1"]
    command += ["--address", "localhost:0", "--parent-death", "--cpu"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    ) as child:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())["address"]
        child.terminate()


def begin(caller: Words, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*caller, *words],
        env={**os.environ, "no_proxy": "localhost"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def finish(child: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What was told of each scan that nobody has read of yet."""
    # `communicate` would lose the lines that came together with one that was read before.
    with child:
        return [json.loads(line) for line in there(child.stdout)]


def test_ten_scans_at_once_are_all_answered_by_a_server_that_refuses_most_at_first(
    caller: Words, scans: list[str], busy_server: str
) -> None:
    child = begin(caller, busy_server, *scans, "--min-size", "32", "--attempts", "20")
    told = finish(child)
    assert child.returncode == 0, told
    assert {entry["scan"] for entry in told} == set(scans)
    assert {sum(entry["voxels"].values()) for entry in told} == {np.prod(SHAPE)}


def test_answers_come_while_others_are_awaited(caller: Words, scans: list[str]) -> None:
    model = ContractServer(delay_s=0.5)
    with serving(model) as address:
        child = begin(caller, address, *scans[:6], "--at-once", "2")
        assert json.loads(there(child.stdout).readline())["voxels"]
        assert len(model.requests) < 6, "the last two wait for two answers each"
        assert len(finish(child)) == 5
    values = {tuple(request["min_size"]) for request in model.requests}
    assert values == {(128, 128, 128)}
    sent = next(r["image"] for r in model.requests if float(r["image"].mean()) % 1)
    assert any(np.array_equal(sent, read_scan(Path(scan)).image) for scan in scans[:6])


def test_past_its_deadline_a_scan_is_told_and_not_sent_again(
    caller: Words, scans: list[str]
) -> None:
    model = ContractServer(delay_s=60)
    with serving(model) as address:
        child = begin(caller, address, scans[0], "--timeout", "5")
        (told,) = finish(child)
    assert (told["error"], child.returncode) == ("DEADLINE_EXCEEDED", 1)
    assert len(model.requests) == 1


def test_sigterm_cancels_what_is_under_way(caller: Words, scans: list[str]) -> None:
    model = ContractServer(delay_s=60)
    with serving(model) as address:
        child = begin(caller, address, *scans[:3])
        until = time.monotonic() + 120
        while len(model.requests) < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        told = finish(child)
    assert child.returncode == 143
    assert {entry["error"] for entry in told} <= {"CANCELLED"}


def test_a_scan_that_cannot_be_read_stops_no_other(
    caller: Words, scans: list[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.nii").write_bytes(b"no scan")
    with serving(ContractServer()) as address:
        told = finish(begin(caller, address, str(tmp_path / "broken.nii"), scans[0]))
    assert {entry["scan"]: entry.get("error") for entry in told} == {
        str(tmp_path / "broken.nii"): "SCAN",
        scans[0]: None,
    }
