"""One process at a time, by a lock file that the system lets go of when its holder ends."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not on this system
    fcntl = None  # type: ignore[assignment]  # what it is where it exists

log = logging.getLogger(__name__)

_LIMIT_S = 1800.0
_TELL_EVERY_S = 30.0
_LOOK_EVERY_S = 0.1
_TAKEN = (errno.EAGAIN, errno.EACCES)


@contextmanager
def locked(path: Path, doing: str, limit_s: float = _LIMIT_S) -> Iterator[bool]:
    """Waits until no other process holds a lock, and holds it while the block lasts.

    Where the file system knows no locks, and when the limit has passed, the block runs without:
    what it writes must take its place in one step.

    Args:
        path: The lock file; it stays, empty.
        doing: What the holder is at, as "x is imported", for the log.
        limit_s: The longest wait.

    Yields:
        Whether the lock is held.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("a") as file:
        # Closing the file lets go of the lock, as does the end of the process.
        yield fcntl is not None and _take(file, doing, limit_s)


def _take(file: IO[str], doing: str, limit_s: float) -> bool:
    start = time.monotonic()
    tell_at = start + _TELL_EVERY_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in _TAKEN:
                return False
        now = time.monotonic()
        if now - start >= limit_s:
            log.warning("%s holds a lock for %.0f s, going on without.", file.name, now - start)
            return False
        if now >= tell_at:
            tell_at += _TELL_EVERY_S
            log.warning(
                "waiting for %.0f s while %s by another process, which holds %s.",
                now - start,
                doing,
                file.name,
            )
        time.sleep(_LOOK_EVERY_S)
