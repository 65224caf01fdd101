"""Images in a folder, as the commands that take folders see them."""

from __future__ import annotations

from pathlib import Path

from synthseg_common.formats import FORMATS

ENDINGS = tuple(f.suffix for f in FORMATS if f.name in ("nifti", "mgh"))
"""Of the files that label maps and training scans are taken from, in any case."""


def volume_files(folder: Path) -> list[Path]:
    """The image files of a folder, sorted; hidden files and folders aside.

    Links that lead nowhere are among them: whoever reads such a file says what is missing.

    Raises:
        OSError: The folder cannot be listed.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.lower().endswith(ENDINGS)
        and not path.name.startswith(".")
        and (path.is_symlink() or path.is_file())
        and not path.is_dir()
    )


def without_ending(name: str) -> str:
    """A file name without its image ending."""
    ending = next((e for e in ENDINGS if name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)]
