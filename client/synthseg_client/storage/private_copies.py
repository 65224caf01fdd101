"""Folders for copies of what is elsewhere, which hold patients' scans: they do not outlive us."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not on this system
    fcntl = None  # type: ignore[assignment]  # what it is where it exists

_PREFIX = "synthseg-mirror-"
_LOCK = ".lock"


class PrivateFolder:
    """A folder that this user alone may enter, until it is removed or this process is gone.

    What a killed process left is removed by the next one on the machine.

    Attributes:
        path: The folder, without links.
    """

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        _sweep(parent)
        self.path, self._lock = _own_folder(parent)

    def remove(self) -> None:
        """Removes it with all that it holds."""
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def _own_folder(parent: Path) -> tuple[Path, IO[bytes]]:
    """A new folder and its lock; another one where a sweep came between making and locking."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).resolve()
        try:
            lock = (path / _LOCK).open("xb")
        except FileNotFoundError:
            continue
        if fcntl is None or (_try_lock(lock) and (path / _LOCK).exists()):
            return path, lock
        lock.close()


def _sweep(parent: Path) -> None:
    """Removes folders whose process is gone: the system let go of their locks."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # of somebody else, or gone meanwhile
            if folder.lstat().st_uid != os.geteuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                if _try_lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)


def _try_lock(file: IO[bytes]) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
