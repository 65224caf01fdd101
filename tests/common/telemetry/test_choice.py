"""The options of the log, and what is said of a command's begin and end."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import sys, click
from synthseg_common.command_line import ErrorReportingGroup
from synthseg_common.errors import ImageError, SynthSegError

class AwayError(SynthSegError):
    names_no_scan = True

@click.group(cls=ErrorReportingGroup, extra="some")
def main(): pass

@main.command()
@click.argument("end")
@click.option("--number", type=int)
def work(end, number):
    if end == "image": raise ImageError("anna.nii: is none.")
    if end == "away": raise AwayError("no server answers.")
    if end == "defect": raise RuntimeError("anna.nii")
    if end == "extra": import nowhere
    if end == "exit": sys.exit(3)

main(prog_name="program")
"""


def run(*words: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "work", "--log-format", "json", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "anna" not in done.stderr or "--log-names" in words
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("words", "code", "events"),
    [
        (("well",), 0, ["command.finished"]),
        (("exit",), 3, ["command.finished"]),
        (("image",), 2, ["command.failed"]),
        (("--number", "anna"), 2, ["command.failed"]),
        (("defect",), 1, ["crash", "command.finished"]),
        (("extra",), 2, ["command.failed"]),
    ],
)
def test_how_a_command_ends_is_an_event_and_its_code_as_ever(
    words: tuple[str, ...], code: int, events: list[str]
) -> None:
    ended, told = run(*words)
    assert ended == code
    assert [line["event"] for line in told] == ["command.started", *events]
    assert told[-1]["exit_code"] == code
    assert {line["command"] for line in told} == {"program work"}


def test_texts_are_told_that_name_no_scan_or_where_names_are_asked_for() -> None:
    _, (_, away) = run("away")
    assert (away["error_kind"], away["message"]) == ("AwayError", "no server answers.")
    _, (_, image) = run("image")
    assert (image["error_kind"], image["withheld"]) == ("ImageError", True)
    _, (_, named) = run("image", "--log-names")
    assert named["message"] == "anna.nii: is none."


def test_text_stays_as_it_was() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "work", "image"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (2, "Error: anna.nii: is none.\n")
