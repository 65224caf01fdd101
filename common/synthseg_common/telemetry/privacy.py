"""How a log speaks of scans without naming patients: by number and by a keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from pathlib import Path

KEY_VARIABLE = "SYNTHSEG_LOG_KEY"
"""Environment variable with the key; with one, a scan has the same id in every run and shard."""
_DIGITS = 12
_HIDDEN = "…"


class ScanIds:
    """Ids of scans: who has the key and the path can tell which is which, nobody else.

    A plain hash would not do: paths of patients' scans are few and can be guessed.

    Args:
        key: Any secret text; by default that of the environment, else one that nobody knows.
    """

    def __init__(self, key: str | None = None) -> None:
        known = key if key is not None else os.environ.get(KEY_VARIABLE, "")
        self._key = known.encode() or secrets.token_bytes(32)

    def of(self, scan: Path | str) -> str:
        """12 hex digits for a path, made absolute, or a URL."""
        name = str(scan if "://" in str(scan) else Path(scan).absolute())
        return hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def without_words(record: logging.LogRecord) -> str | None:
    """The text of a log record with all but its numbers left out.

    Returns:
        None where the text is not known to be without names: another library's, or one that was
        put together before.
    """
    if not record.name.startswith("synthseg_") or not isinstance(record.msg, str):
        return None
    if not record.args:
        return record.msg
    given = record.args if isinstance(record.args, tuple) else (record.args,)
    shown = tuple(value if isinstance(value, int | float) else _Hidden() for value in given)
    try:
        return record.msg % shown
    except (TypeError, ValueError):
        return None


class _Hidden:
    """Stands for a value, whatever it is formatted as text by."""

    def __str__(self) -> str:
        return _HIDDEN

    __repr__ = __str__
