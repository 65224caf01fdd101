"""The folder of a report: it is there when it is whole, and replaces none but a report."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthseg_common.errors import OutputError, reason_of

from synthseg_client.errors import UsageError

FIRST_PAGE = "index.html"
MARK = b'content="synthseg-client report"'
_FIRST_BYTES = 4096
_INSIDE = ("assets", "pictures", "scans", "volumes")


def refuse_other_folder(folder: Path) -> None:
    """Refuses a folder whose files a report would replace.

    Raises:
        UsageError: It is a file, or holds anything but an earlier report.
    """
    if folder.is_dir():
        if any(folder.iterdir()) and not _is_report(folder):
            raise UsageError(
                f"{folder}: holds other files, which a report would replace: "
                "name a new folder for the report."
            )
    elif folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder}: is no folder, expected one for the report.")


@contextmanager
def report_folder(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of an earlier report when the block ends well.

    Raises:
        UsageError: The place holds something else.
        OutputError: It cannot be written.
    """
    refuse_other_folder(folder)
    temporary = folder.absolute().with_name(f".{secrets.token_hex(4)}.partial-report")
    try:
        for name in _INSIDE:
            (temporary / name).mkdir(parents=True)
        yield temporary
        _take_place(temporary, folder)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder}: cannot be written: {reason_of(error)}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_place(temporary: Path, folder: Path) -> None:
    old = temporary.with_name(temporary.name + "-old")
    if folder.is_dir():
        folder.replace(old)
    try:
        temporary.replace(folder)
    except OSError:
        if old.is_dir():
            old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _is_report(folder: Path) -> bool:
    try:
        with (folder / FIRST_PAGE).open("rb") as stream:
            return MARK in stream.read(_FIRST_BYTES)
    except OSError:
        return False
