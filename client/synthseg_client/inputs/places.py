"""What lies at a path, also where pathlib's own questions raise: no permission, names too long."""

from __future__ import annotations

import os
from pathlib import Path


def is_there(path: Path) -> bool:
    """Whether there is something that this process may see."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: Path) -> bool:
    """Whether that is a file."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether that is a folder."""
    return os.path.isdir(path)  # noqa: PTH112


def real(path: Path) -> Path:
    """Absolute, without links, as far as they lead; links in a circle stay."""
    return Path(os.path.realpath(path))
