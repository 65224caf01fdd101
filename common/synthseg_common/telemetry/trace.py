"""Trace ids, as W3C Trace Context writes them: one for each scan, through client and server.

Nothing is made or sent unless somebody listens: a log in JSON, or an exporter.

References:
    https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

HEADER = "traceparent"
"""Name of the metadata that carries the context, and, in capitals, of an environment variable."""
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


@dataclass(frozen=True)
class TraceContext:
    """Where in which trace one is.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        sampled: Whether whoever began the trace records it.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    def header(self) -> str:
        """The value of `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.sampled else 0:02x}"

    def child(self) -> TraceContext:
        """A new span of the same trace."""
        return TraceContext(self.trace_id, os.urandom(8).hex(), self.sampled)


def new_trace() -> TraceContext:
    """The first span of a new trace."""
    return TraceContext(os.urandom(16).hex(), os.urandom(8).hex())


def read_header(value: str | None) -> TraceContext | None:
    """The context of a `traceparent`; None where it is none, so that a new trace begins."""
    found = _FORM.fullmatch(value or "")
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    broken = version == "ff" or (version == "00" and more)
    if broken or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


@dataclass
class Span:
    """A step of a trace, timed.

    Attributes:
        name: What is done.
        kind: `internal`, `client` or `server`.
        context: Its ids; None where nobody listens.
        parent: Of the step around it; None begins a trace.
        attributes: Numbers and words, nothing that could name a patient.
        error: Class or code of what it ended with; empty if it ended well.
        start_ns: Time of its begin since 1970.
        end_ns: The same of its end.
    """

    name: str
    kind: str = "internal"
    context: TraceContext | None = None
    parent: TraceContext | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    start_ns: int = 0
    end_ns: int = 0


Listener = Callable[[Span], None]
_current: ContextVar[TraceContext | None] = ContextVar("trace", default=None)
_listeners: list[Listener] = []


def current() -> TraceContext | None:
    """The context of the step that this thread is in."""
    return _current.get()


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While it is open, spans are made, and `listener` is given each that ended.

    A command opens it for its whole process, from its main thread.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def is_on() -> bool:
    """Whether anybody listens."""
    return bool(_listeners)


@contextmanager
def span(
    name: str, kind: str = "internal", parent: TraceContext | None = None, **attributes: Any
) -> Iterator[Span]:
    """A step of the trace that this thread is in, or of a new one.

    Args:
        name: What is done.
        kind: `internal`, `client` or `server`.
        parent: The step around it, where that is another thread's or another program's.
        attributes: Numbers and words, nothing that could name a patient.
    """
    made = Span(name, kind, attributes=attributes)
    if not _listeners:
        yield made
        return
    made.parent = parent or _current.get() or _of_the_environment()
    made.context = made.parent.child() if made.parent else new_trace()
    made.start_ns = time.time_ns()
    token = _current.set(made.context)
    try:
        yield made
    except BaseException as error:
        made.error = made.error or type(error).__name__
        raise
    finally:
        _current.reset(token)
        made.end_ns = time.time_ns()
        for listener in tuple(_listeners):
            listener(made)


def _of_the_environment() -> TraceContext | None:
    """The step of whoever started this program, as CI systems and workflow engines tell it."""
    return read_header(os.environ.get(HEADER.upper()))
