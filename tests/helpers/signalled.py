"""Processes that end by a signal."""

from __future__ import annotations

import signal
import subprocess
from typing import IO

from typed import there


def end_by_signal(
    process: subprocess.Popen[str], number: signal.Signals, stream: IO[str] | None, line: str
) -> str:
    """Signals a process once it has said a line; what it says on its error stream until its end.

    Args:
        process: Started with pipes, as text.
        number: The signal.
        stream: The one of its streams that is listened to.
        line: Part of the line that is waited for, the first one there.
    """
    try:
        assert line in there(stream).readline()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    return said
