"""What is noted of each call to a server; nothing, and at no cost, where nobody asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import grpc
from synthseg_common.telemetry import trace

Pairs = tuple[tuple[str, str], ...]
_OFF: AbstractContextManager[Pairs] = nullcontext(())
_OK = "OK"


class CallWatcher(Protocol):
    """Is told of calls."""

    def wait_began(self) -> None:
        """An answer is wanted; calls follow, and waits for the server, until there is one."""

    def wait_ended(self) -> None:
        """It has come, or is given up."""

    def call_began(self) -> None:
        """A call is sent."""

    def call_ended(self, code: str, seconds: float, voxels: int) -> None:
        """It has an answer, or an error, of this gRPC code."""


_watchers: list[CallWatcher] = []


@contextmanager
def watching(watcher: CallWatcher) -> Iterator[None]:
    """While it is open, a watcher is told of every call of this process."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def awaited() -> AbstractContextManager[object]:
    """A block that wants an answer, whatever calls and waits for the server it takes."""
    return _awaited() if _watchers else nullcontext()


@contextmanager
def _awaited() -> Iterator[None]:
    watchers = tuple(_watchers)
    for watcher in watchers:
        watcher.wait_began()
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.wait_ended()


def observed(path: str, voxels: int = 0) -> AbstractContextManager[Pairs]:
    """A block that makes one call; gives the metadata to send with it.

    Args:
        path: Service and method, as gRPC writes them.
        voxels: Of the volume that is sent; 0 if none is.
    """
    if not _watchers and not trace.is_on():
        return _OFF
    return _noted(path, voxels)


@contextmanager
def _noted(path: str, voxels: int) -> Iterator[Pairs]:
    started, code = time.perf_counter(), "UNKNOWN"
    watchers = tuple(_watchers)
    for watcher in watchers:
        watcher.call_began()
    try:
        with trace.span(path.lstrip("/"), "client", voxels=voxels) as step:
            try:
                yield ((trace.HEADER, step.context.header()),) if step.context else ()
                code = _OK
            except grpc.RpcError as error:
                code = step.error = error.code().name
                raise
            finally:
                step.attributes["rpc.grpc.status"] = code
    finally:
        for watcher in watchers:
            watcher.call_ended(code, time.perf_counter() - started, voxels)
