"""All that a process says, as JSON; what could name a patient only where it is asked for."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import click
import pytest
from synthseg_common.telemetry import trace
from synthseg_common.telemetry.log import active, emit, json_log, note

SECRET = "sub-anna_T1w.nii.gz"


def lines(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines()]


def say_all() -> None:
    """Everything that can be said, each with the secret."""
    emit("scan.failed", "error", scan=1, error_kind="ScanError", name=SECRET)
    logging.getLogger("synthseg_client.batch").warning("%s took %.1f s", SECRET, 2.5)
    logging.getLogger("nibabel").error("cannot read %s", SECRET)
    warnings.warn(f"{SECRET} is odd", UserWarning, stacklevel=1)
    print(f"half of {SECRET}", end="", file=sys.stderr)
    print(" and the rest", file=sys.stderr)
    click.echo(f"FAILED {SECRET}", err=True)
    note("the server is back after 3 s.")
    logging.getLogger().handlers[0].handle(
        logging.LogRecord("synthseg_x", 25, f"/data/{SECRET}/f.py", 1, "odd level", (), None)
    )


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("names", [False, True])
def test_every_way_to_say_something_is_a_line_and_names_are_there_only_if_asked(
    names: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with json_log("program command", names=names, texts=False):
        say_all()
    said = capfd.readouterr().err
    told = lines(said)
    assert [line["event"] for line in told] == [
        *("scan.failed", "log", "log", "log", "text", "text", "note", "log")
    ]
    assert {line["command"] for line in told} == {"program command"}
    assert (SECRET in said) == names
    assert told[1]["message"] == (f"{SECRET} took 2.5 s" if names else "… took 2.5 s")
    assert told[2].get("withheld", False) != names
    assert told[6]["message"] == "the server is back after 3 s."


def test_what_names_no_scan_is_told_whole_where_a_program_says_so(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with json_log("serve", names=False, texts=True):
        logging.getLogger("synthseg_serving.manager").error("%s: no version", "/models/a")
        logging.getLogger("other").error("%s", SECRET)
    ours, other = lines(capfd.readouterr().err)
    assert ours["message"] == "/models/a: no version"
    assert other["withheld"]


def test_lines_carry_the_trace_and_lines_of_children_pass(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with json_log("a", names=False, texts=False), trace.span("scan") as step:
        emit("note", message="here")
        print(json.dumps({"event": "note", "command": "child"}), file=sys.stderr)
        print(json.dumps({"event": "of another kind", "x": SECRET}), file=sys.stderr)
    here, child, other = lines(capfd.readouterr().err)
    assert step.context is not None
    assert (here["trace_id"], here["span_id"]) == (step.context.trace_id, step.context.span_id)
    assert child == {"event": "note", "command": "child"}
    assert other["event"] == "text"


def test_all_is_as_before_when_it_ends(capfd: pytest.CaptureFixture[str]) -> None:
    before = (sys.stderr, sys.excepthook, logging.getLogger().handlers[:], dict(os.environ))
    with json_log("a", names=True, texts=False):
        assert active() is not None
        assert os.environ["SYNTHSEG_LOG_FORMAT"] == "json", "for processes that are started"
    assert before == (sys.stderr, sys.excepthook, logging.getLogger().handlers, dict(os.environ))
    assert active() is None
    assert not emit("note", message="x")
    note("plain")
    assert capfd.readouterr().err == "plain\n"


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    with json_log("a", names=False, texts=False) as log:
        with (tmp_path / "closed").open("w") as stream:
            log.stream = stream
        emit("note", message="to nobody")
