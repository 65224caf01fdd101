"""What is noted of the request that this thread answers; nothing where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field

from synthseg_common.telemetry import trace

STAGES = ("queue", "decode", "predict", "encode")


@dataclass
class Call:
    """One request, as it is answered.

    Attributes:
        moved: Told of each stage that begins; empty where one ends.
        model: Name it was sent to, once it is known to be served; before, empty.
        version: Of the model that answers; 0 before it is known.
        signature: What is asked, as far as the model has it.
        voxels: Of the volume that was sent.
        request_bytes: Size of the message.
        answer_bytes: Size of the answer's tensors.
        seconds: Wall time by stage.
    """

    moved: Callable[[str], None] = lambda _: None
    model: str = ""
    version: int = 0
    signature: str = ""
    voxels: int = 0
    request_bytes: int = 0
    answer_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


_OFF: AbstractContextManager[None] = nullcontext()
_current: ContextVar[Call | None] = ContextVar("call", default=None)


@contextmanager
def answering(call: Call) -> Iterator[None]:
    """While it is open, this thread answers this request."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def note(
    *,
    model: str = "",
    version: int = 0,
    signature: str = "",
    voxels: int = 0,
    answer_bytes: int = 0,
) -> None:
    """Notes what is known of the request by now."""
    call = _current.get()
    if call is None:
        return
    call.model, call.version = model or call.model, version or call.version
    call.signature, call.voxels = signature or call.signature, voxels or call.voxels
    call.answer_bytes = answer_bytes or call.answer_bytes


def stage(name: str) -> AbstractContextManager[None]:
    """A block that is a part of the work on this request, one of `STAGES`."""
    call = _current.get()
    return _OFF if call is None else _timed(call, name)


@contextmanager
def _timed(call: Call, name: str) -> Iterator[None]:
    call.moved(name)
    started = time.perf_counter()
    try:
        with trace.span(name):
            yield
    finally:
        call.seconds[name] = call.seconds.get(name, 0.0) + time.perf_counter() - started
        call.moved("")
