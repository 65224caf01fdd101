"""Several scans at once: some are prepared and cleaned up while the server works on another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
Turn = AbstractContextManager[object]
"""Held while the server works."""


def in_order(
    items: Iterable[_Item],
    work: Callable[[_Item, Turn], _Result],
    *,
    jobs: int,
    requests: int = 1,
    abort: Callable[[], None] = lambda: None,
) -> Iterator[tuple[_Item, _Result]]:
    """Works on items and yields the results in the items' order.

    Args:
        items: Drawn as places become free.
        work: Called in threads; takes turns at the server by its second argument.
        jobs: Items in work, or finished and waiting to be taken, at once.
        requests: Turns at once.
        abort: Called when a signal ends the wait: makes work that waits for the server give up.
    """
    turns = threading.BoundedSemaphore(requests)
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    source = iter(items)
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="scan")
    try:
        for item in source:
            waiting.append((item, pool.submit(work, item, turns)))
            if len(waiting) >= jobs:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    except KeyboardInterrupt:
        abort()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def as_completed(
    items: Iterable[_Item],
    work: Callable[[_Item, Turn], _Result],
    *,
    jobs: int,
    requests: int = 1,
    abort: Callable[[], None] = lambda: None,
) -> Iterator[tuple[_Item, _Result]]:
    """The same, yielding whatever is finished first, so that one slow item holds nobody up.

    Args:
        items: Drawn as places become free.
        work: Called in threads; takes turns at the server by its second argument.
        jobs: Items in work at once.
        requests: Turns at once.
        abort: Called when the caller stops early: makes work that waits for the server give up.
    """
    turns = threading.BoundedSemaphore(requests)
    running: dict[Future[_Result], _Item] = {}
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="scan")
    try:
        for item in items:
            running[pool.submit(work, item, turns)] = item
            if len(running) >= jobs:
                yield from _take_finished(running)
        while running:
            yield from _take_finished(running)
    except BaseException:
        abort()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _take_finished(running: dict[Future[_Result], _Item]) -> Iterator[tuple[_Item, _Result]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield running.pop(future), future.result()
