"""What a JSON log says of a batch: the whole command, on scans with telling names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from contract_server import ContractServer, serving
from synthseg_client.cli import main
from synthseg_common.telemetry import schema, trace
from synthseg_common.telemetry.privacy import ScanIds

PATIENT = "Doe_Jane_19700101"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A patient's folder: a scan, and one that cannot be read."""
    folder = tmp_path / PATIENT
    folder.mkdir()
    image = np.random.default_rng(0).uniform(0, 9, (9, 9, 9)).astype(np.float32)
    nib.save(nib.Nifti1Image(image, np.eye(4)), folder / f"{PATIENT}_t1.nii.gz")
    (folder / f"{PATIENT}_broken.nii.gz").write_bytes(b"none")
    return folder


def run(model: ContractServer, scans: Path, *words: str) -> tuple[Result, list[dict[str, Any]]]:
    out = scans / "out"
    with serving(model) as address:
        done = CliRunner().invoke(
            main,
            ["segment", "--i", str(scans), "--o", str(out), "--server", address, *words],
            env={"SYNTHSEG_LOG_KEY": "k"},
            prog_name="synthseg-client",
        )
    return done, [json.loads(line) for line in done.stderr.splitlines()]


def check(line: dict[str, Any]) -> None:
    """Holds a line to the schema."""
    own = dict(line)
    for name, field in schema.ALWAYS.items():
        assert type(own.pop(name)) in field.types
    for name, field in schema.TRACE.items():
        assert type(own.pop(name, "")) in field.types
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert line["level"] in schema.LEVELS
    schema.check_fields(line["event"], own)


def test_each_scan_is_an_event_that_names_no_patient(scans: Path) -> None:
    model = ContractServer()
    done, told = run(model, scans, "--log-format", "json", "-v")
    assert done.exit_code == 1
    assert PATIENT not in done.stderr
    for line in told:
        check(line)
    events = [line["event"] for line in told]
    assert events[:2] == ["command.started", "batch.started"]
    assert sorted(events[2:4]) == ["scan.done", "scan.failed"]
    assert events[4:] == ["batch.finished", "command.finished"]
    by_event = {line["event"]: line for line in told}
    failed, good = by_event["scan.failed"], by_event["scan.done"]
    assert (failed["error_kind"], failed["withheld"]) == ("ScanError", True)
    assert {good["scan"], failed["scan"]} == {1, 2}
    assert good["scan_id"] == ScanIds("k").of(scans / f"{PATIENT}_t1.nii.gz"), "who has the key"
    assert set(good["stages"]) == {"read", "prepare", "server", "cleanup", "write"}
    sent = trace.read_header(model.requests[0]["metadata"][trace.HEADER])
    assert sent is not None
    assert sent.trace_id == good["trace_id"] != failed["trace_id"]
    assert (by_event["batch.finished"]["done"], by_event["batch.finished"]["failed"]) == (1, 1)


def test_names_and_texts_are_there_if_asked_for(scans: Path) -> None:
    _, told = run(ContractServer(), scans, "--log-format", "json", "--log-names")
    for line in told:
        check(line)
    (failed,) = (line for line in told if line["event"] == "scan.failed")
    assert failed["name"] == str(scans / f"{PATIENT}_broken.nii.gz")
    assert PATIENT in failed["message"]


def test_results_on_standard_output_stay_as_they_are(scans: Path) -> None:
    done, _ = run(ContractServer(), scans, "--log-format", "json", "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {Path(record["scan"]).parent for record in records} == {scans}


def test_scans_that_are_left_and_the_wait_for_a_server_are_told(scans: Path) -> None:
    words = ["segment", "--i", str(scans), "--o", str(scans / "o"), "--server", "localhost:1"]
    words += ["--server-wait", "0", "--log-format", "json"]
    done = CliRunner().invoke(main, words, prog_name="synthseg-client")
    (last,) = (json.loads(line) for line in done.stderr.splitlines() if "command.failed" in line)
    assert last["error_kind"] == "ServerGoneError"
    assert "localhost:1" in last["message"], "of the server one may speak"
