"""What a line of a JSON log holds: the events, and the fields of each; the page in docs tells them.

A field that could name a patient is private: it is there only where names were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VERSION = 1
"""Of this schema; raised when a field goes or changes its meaning, not when one comes."""
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class Field:
    """What stands under one name, in whatever event.

    Attributes:
        types: Of the JSON value, as Python reads it.
        meaning: One line, with the unit.
        private: Whether it could name a patient.
    """

    types: tuple[type, ...]
    meaning: str
    private: bool = False


_NUMBER = (int, float)
ALWAYS: Mapping[str, Field] = {
    "schema": Field((int,), "version of this schema"),
    "time": Field((str,), "UTC, RFC 3339, to the millisecond"),
    "level": Field((str,), "debug, info, warning, error or critical"),
    "event": Field((str,), "which event; it says which fields follow"),
    "command": Field((str,), "program and command, without its options"),
    "process": Field((int,), "number of the process"),
}
TRACE: Mapping[str, Field] = {
    "trace_id": Field((str,), "32 hex digits, the same at client and server for one scan"),
    "span_id": Field((str,), "16 hex digits, of the step within the trace"),
}
FIELDS: Mapping[str, Field] = {
    "addresses": Field((list,), "where the server listens"),
    "answer_bytes": Field((int,), "size of the tensors of an answer"),
    "code": Field((str,), "gRPC status code by name, `OK` for an answer"),
    "done": Field((int,), "how many of them are through"),
    "error_kind": Field((str,), "class of the error, for programs to decide by"),
    "exit_code": Field((int,), "what the command ends with"),
    "failed": Field((int,), "scans that failed"),
    "labels": Field((str,), "path of the label map", private=True),
    "left": Field((int,), "scans that were not tried, for want of a server"),
    "logger": Field((str,), "which module says it"),
    "loss": Field(_NUMBER, "smoothed training loss"),
    "message": Field((str,), "text for people"),
    "metrics_address": Field((str,), "where metrics are read"),
    "model": Field((str,), "name the model is served under, or its name and version"),
    "models": Field((dict,), "versions by model that answer requests"),
    "name": Field((str,), "path of the scan", private=True),
    "reason": Field((str,), "why a request was refused, in one word; empty for an answer"),
    "request_bytes": Field((int,), "size of a request"),
    "scan": Field((int,), "number of the scan in this run, from 1, in the order of the list"),
    "scan_id": Field((str,), "keyed hash of the scan's path, see the page"),
    "scans": Field((int,), "scans of this run"),
    "seconds": Field(_NUMBER, "wall time of the whole"),
    "signature": Field((str,), "what was asked of the model"),
    "skipped": Field((int,), "scans that were done before"),
    "source": Field((str,), "file and line of code"),
    "stage": Field((str,), "part of a training"),
    "stages": Field((dict,), "wall time in seconds by stage"),
    "total": Field((int,), "how many there are"),
    "version": Field((str, int), "of the program, or of the model that answered"),
    "voxels": Field((int,), "of the volume that was sent"),
    "warnings": Field((int,), "how many warnings there were about the scan"),
    "withheld": Field((bool,), "true: text was left out that could name a patient"),
}
EVENTS: Mapping[str, tuple[str, ...]] = {
    "command.started": ("version",),
    "command.finished": ("exit_code", "seconds"),
    "command.failed": ("exit_code", "seconds", "error_kind", "message", "withheld"),
    "crash": ("error_kind", "source"),
    "log": ("logger", "source", "message", "withheld"),
    "text": ("message", "withheld"),
    "note": ("message",),
    "progress": ("stage", "done", "total", "loss"),
    "batch.started": ("scans",),
    "batch.finished": ("scans", "done", "skipped", "failed", "left", "seconds"),
    "scan.done": (
        *("scan", "scans", "scan_id", "model", "seconds", "stages", "warnings"),
        *("name", "labels", "message"),
    ),
    "scan.skipped": ("scan", "scans", "scan_id", "model", "name", "labels"),
    "scan.failed": (
        *("scan", "scans", "scan_id", "error_kind", "left", "name", "message", "withheld"),
    ),
    "server.ready": ("addresses", "models", "metrics_address"),
    "request": (
        *("model", "version", "signature", "code", "reason", "seconds", "stages", "voxels"),
        *("request_bytes", "answer_bytes"),
    ),
}


def check_fields(event: str, fields: Mapping[str, object]) -> None:
    """Refuses what the schema does not know: whoever adds an event adds it here.

    Raises:
        KeyError: The event, or a field of it, is unknown.
        TypeError: A value is of another type.
    """
    known = EVENTS[event]
    for name, value in fields.items():
        if name not in known:
            raise KeyError(f"{event} has no field {name}")
        if type(value) not in FIELDS[name].types:
            raise TypeError(f"{event}.{name} is {type(value).__name__}")
