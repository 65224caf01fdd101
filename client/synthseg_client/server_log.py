"""What a server that was started here has said last."""

from __future__ import annotations

import re
from pathlib import Path

_LINES = 5
# TensorFlow tells of the processor and of graphics cards at every start, whatever the level.
_OF_NO_INTEREST = re.compile(
    r"[IW]\d{4} \d\d:\d\d|[IW]0000 \d+\.\d+|WARNING: All log messages before"
)


def last_words(log: Path) -> str:
    """The end of a log as the end of an error message; empty if there is none.

    TensorFlow's information is left out where the log holds anything else.
    """
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    telling = [line for line in lines if not _OF_NO_INTEREST.match(line)]
    words = (telling or lines)[-_LINES:]
    return " It said:\n  " + "\n  ".join(words) if words else ""
