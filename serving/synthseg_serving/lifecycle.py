"""From start to end of the server's process: ready line, signals, death with the parent."""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from synthseg_common.files import write_text

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_PARENT_GONE = 0
"""Exit code when the parent died: nobody reads it."""


def announce(
    addresses: Sequence[str], model: str, versions: Sequence[int], ready_file: Path | None
) -> None:
    """Says in one JSON line on standard output where the server answers: all that goes there.

    Raises:
        OutputError: The file cannot be written.
    """
    line = json.dumps(
        {
            "address": addresses[0],
            "addresses": list(addresses),
            "model": model,
            "versions": list(versions),
        }
    )
    if ready_file is not None:
        write_text(ready_file, line + "\n")
    with contextlib.suppress(BrokenPipeError):
        print(line, flush=True)


class StopSignal:
    """Waits for SIGTERM or SIGINT; a second one ends the process at once.

    Its handlers are the process's own and stay: the command that serves ends with them.

    Attributes:
        serving: Whether there may be something to finish; before, the first ends it, with 143 or
            130.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.serving = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def wait(self, unused: Callable[[], bool] = lambda: False) -> None:
        """Returns when the server shall stop.

        Args:
            unused: Whether nobody wants it any more.
        """
        # Short waits: a signal handler runs between two of them.
        while not self._event.wait(0.2) and not unused():
            pass

    def _receive(self, number: int, frame: object) -> None:
        if self._event.is_set():
            os._exit(128 + number)
        self._event.set()
        if not self.serving:
            raise SystemExit(128 + number)


def die_with_parent(cleanup: Sequence[Path] = ()) -> None:
    """Ends this process when its parent ends, even by SIGKILL.

    Linux sends a signal when the thread that started this process ends, which may be before its
    process does: the signal only makes us look. The end of standard input, a pipe that the parent
    holds open, says it everywhere.

    Args:
        cleanup: Files to remove then: sockets.
    """
    parent = os.getppid()

    def leave() -> None:
        for path in cleanup:
            with contextlib.suppress(OSError):
                path.unlink()
        os._exit(_PARENT_GONE)

    def look(number: int, frame: object) -> None:
        if os.getppid() != parent:
            leave()

    def watch_input() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 1024):
                pass
        leave()

    signal.signal(signal.SIGUSR2, look)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR2, 0, 0, 0)
    if parent == 1:
        log.warning("the parent is gone already, or is process 1")
    threading.Thread(target=watch_input, name="parent", daemon=True).start()
