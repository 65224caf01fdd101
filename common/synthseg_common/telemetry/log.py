"""The log of a command: plain text as ever, or one JSON object a line on standard error.

What is configured here belongs to the process, as logging does: a command switches it on, and off
when it ends.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from synthseg_common.telemetry import schema, trace
from synthseg_common.telemetry.choice import FORMAT_VARIABLE, NAMES_VARIABLE
from synthseg_common.telemetry.privacy import ScanIds, without_words


@dataclass
class JsonLog:
    """Where lines go, and what they may say.

    Attributes:
        stream: Takes the lines.
        command: Program and command, in every line.
        names: Whether scans may be called by their paths.
        texts: Whether texts of our own programs are known to name no scan, as the server's.
        ids: Of scans.
    """

    stream: TextIO
    command: str
    names: bool = False
    texts: bool = False
    ids: ScanIds = field(default_factory=ScanIds)
    # A signal's handler may write while its thread does.
    _lock: Any = field(default_factory=threading.RLock)

    def write(
        self,
        event: str,
        level: str,
        fields: Mapping[str, Any],
        context: trace.TraceContext | None = None,
    ) -> None:
        """Writes a line; private fields only where names were asked for.

        Args:
            event: Which, see `schema`.
            level: `info`, `warning`, ...
            fields: What is said.
            context: Of the trace; by default that which this thread is in.
        """
        schema.check_fields(event, fields)
        shown = {
            name: value
            for name, value in fields.items()
            if self.names or not schema.FIELDS[name].private
        }
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"schema": schema.VERSION, "time": now, "level": level, "event": event}
        ids = context or trace.current()
        of_trace = {"trace_id": ids.trace_id, "span_id": ids.span_id} if ids else {}
        own = {"command": self.command, "process": os.getpid()}
        self.write_line(json.dumps({**head, **own, **of_trace, **shown}, ensure_ascii=False))

    def write_line(self, line: str) -> None:
        """Writes a line that is JSON already."""
        # Nobody is left to tell of a log that cannot be written.
        with self._lock, suppress(OSError, ValueError):
            self.stream.write(line + "\n")
            self.stream.flush()

    def text(self, message: str, *, safe: bool) -> dict[str, Any]:
        """The fields for a text, which is left out where it could name a patient."""
        return {"message": message} if safe or self.names else {"withheld": True}


_active: JsonLog | None = None


def active() -> JsonLog | None:
    """The JSON log of this process; None where its log is text."""
    return _active


def emit(event: str, level: str = "info", **fields: Any) -> bool:
    """Writes an event; returns whether the log is JSON, else whoever calls prints text."""
    if _active is None:
        return False
    _active.write(event, level, fields)
    return True


def note(message: str, event: str = "note", **fields: Any) -> None:
    """Tells something on standard error: a line of text, or an event.

    Args:
        message: The line; it names no scan.
        event: Which event it is in a JSON log.
        fields: Of that event; by default the line itself.
    """
    if not emit(event, **(fields or {"message": message})):
        print(message, file=sys.stderr, flush=True)


@contextmanager
def json_log(command: str, *, names: bool, texts: bool) -> Iterator[JsonLog]:
    """While it is open, all that this process says on standard error is JSON, one line each.

    Logging, warnings, `print` and what ends the process; libraries in C that write past Python are
    not caught. Processes that are started meanwhile inherit the choice.

    Args:
        command: Program and command.
        names: Whether scans may be called by their paths.
        texts: Whether texts of our own programs are known to name no scan.
    """
    global _active
    log = JsonLog(sys.stderr, command, names=names, texts=texts)
    before, _active = _active, log
    try:
        with ExitStack() as changed:
            changed.enter_context(
                _inherited({FORMAT_VARIABLE: "json", NAMES_VARIABLE: "1" * names})
            )
            changed.enter_context(_logging_to(log))
            changed.enter_context(_streams_to(log))
            changed.enter_context(trace.listening(lambda _: None))  # so that lines have trace ids
            yield log
    finally:
        _active = before


@contextmanager
def _inherited(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _logging_to(log: JsonLog) -> Iterator[None]:
    root, handler = logging.getLogger(), _Handler(log)
    handlers, level = root.handlers[:], root.level
    root.handlers = [handler]
    with warnings.catch_warnings():
        warnings.showwarning = _warning_to(log)
        try:
            yield
        finally:
            root.handlers = handlers
            root.setLevel(level)


def _warning_to(log: JsonLog) -> Any:
    def show(message: Warning | str, kind: type[Warning], file: str, line: int, *_: Any) -> None:
        fields = {"logger": kind.__name__, "source": f"{Path(file).name}:{line}"}
        log.write("log", "warning", {**fields, **log.text(str(message), safe=False)})

    return show


@contextmanager
def _streams_to(log: JsonLog) -> Iterator[None]:
    stderr, hook, in_threads = sys.stderr, sys.excepthook, threading.excepthook
    lines = _Lines(log)
    sys.stderr = lines
    sys.excepthook = lambda kind, error, frames: _crash(log, kind, frames)
    threading.excepthook = lambda told: _crash(log, told.exc_type, told.exc_traceback)
    try:
        yield
    finally:
        lines.finish()
        if sys.stderr is lines:
            sys.stderr = stderr
        sys.excepthook, threading.excepthook = hook, in_threads


def _crash(log: JsonLog, kind: type[BaseException], frames: TracebackType | None) -> None:
    """A defect: what it is and where, without its text."""
    source = ""
    while frames is not None:
        source = f"{Path(frames.tb_frame.f_code.co_filename).name}:{frames.tb_lineno}"
        frames = frames.tb_next
    log.write("crash", "critical", {"error_kind": kind.__name__, "source": source})


class _Handler(logging.Handler):
    """Log records as events."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        source = f"{Path(record.pathname).name}:{record.lineno}"
        level = record.levelname.lower()
        fields = {"logger": record.name, "source": source, **self._text(record)}
        self._log.write("log", level if level in schema.LEVELS else "info", fields)

    def _text(self, record: logging.LogRecord) -> dict[str, Any]:
        ours = record.name.startswith("synthseg_")
        if self._log.names or (ours and self._log.texts):
            return {"message": record.getMessage()}
        shown = without_words(record)
        return {"withheld": True} if shown is None else {"message": shown}


class _Lines(io.TextIOBase):
    """Stands in for standard error: lines of text become events, lines of JSON pass."""

    def __init__(self, log: JsonLog) -> None:
        self._log = log
        self._begun = ""
        self._lock = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute there
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._log.stream.fileno()

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._tell(line)
        return len(text)

    def finish(self) -> None:
        """Writes what no end of line came after."""
        with self._lock:
            line, self._begun = self._begun, ""
        self._tell(line)

    def _tell(self, line: str) -> None:
        line = line.rpartition("\r")[2].strip()
        if not line:
            return
        if _is_event(line):  # of a server that was started here
            self._log.write_line(line)
        else:
            self._log.write("text", "info", self._log.text(line, safe=False))


def _is_event(line: str) -> bool:
    with suppress(ValueError):
        told = json.loads(line)
        return isinstance(told, dict) and told.get("event") in schema.EVENTS
    return False
