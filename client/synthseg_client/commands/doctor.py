"""What `doctor` does once its options are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

from synthseg_client.commands.report import say
from synthseg_client.commands.server_options import ServerOptions
from synthseg_client.diagnosis.finding import Finding, Problem
from synthseg_client.diagnosis.installation import (
    look_at_environment,
    look_at_extras,
    look_at_versions,
)
from synthseg_client.diagnosis.machine import look_at_disks, look_at_memory, look_at_processor


def run_doctor(server: ServerOptions, *, start: bool, as_json: bool) -> int:
    """Prints what a bug report needs; returns 0 if all is usable, else 1.

    Raises:
        UsageError: The options contradict each other.
    """
    asked, needed_bytes = _look_at_server(server, start=start)
    serves = not server.server
    findings = {
        "versions": look_at_versions(),
        "extras": look_at_extras(),
        "server": asked,
        "processor": look_at_processor(serves=serves),
        "memory": look_at_memory(needed_bytes),
        "disks": look_at_disks(serves=serves),
        "environment": look_at_environment(),
    }
    problems = [problem for finding in findings.values() for problem in finding.problems]
    if as_json:
        say(json.dumps(_record(findings, problems)))
    else:
        say("\n".join(_lines(findings, problems)))
    return 1 if problems else 0


def _look_at_server(server: ServerOptions, *, start: bool) -> tuple[Finding, int | None]:
    """What is said of the server, also where packages that are needed to ask it do not load."""
    try:
        from synthseg_client.commands.connection import connect
        from synthseg_client.diagnosis.server import look_at_named_server, look_at_own_server
    except ImportError as error:
        told = f"the client does not load ({error.name or 'a package'} cannot be imported)"
        remedy = "pip install --force-reinstall synthseg-serving"
        return Finding({"kind": "not asked"}, (Problem(told, remedy),)), None
    server.refuse_contradictions()
    opens = partial(connect, server)
    if server.server:
        return look_at_named_server(opens), None
    return look_at_own_server(opens if start else None)


def _record(findings: Mapping[str, Finding], problems: list[Problem]) -> dict[str, object]:
    return {
        "usable": not problems,
        "problems": [{"what": p.what, "remedy": p.remedy} for p in problems],
        **{name: dict(finding.facts) for name, finding in findings.items()},
    }


def _lines(findings: Mapping[str, Finding], problems: list[Problem]) -> list[str]:
    lines = []
    for name, finding in findings.items():
        lines += [f"{name}:", *(f"  {fact}: {_told(v)}" for fact, v in finding.facts.items())]
    if not problems:
        return [*lines, "all usable"]
    return [*lines, "wrong:", *(f"  {problem}" for problem in problems)]


def _told(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
