"""Requirements of extras, from pyproject.toml: an image installs them before the sources change.

Runs in the base image, with nothing but Python.

    python3 containers/requirements.py serving dicom > requirements.txt
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
EVERY = "--every"
"""In the place of extras: all of them."""


def requirements_of(project: dict[str, Any], extras: Iterable[str]) -> list[str]:
    """Requirements of the distribution with some extras, those that extras name among them.

    Args:
        project: The table `project` of pyproject.toml.
        extras: Their names.

    Returns:
        Requirement lines, sorted; none of the distribution itself.

    Raises:
        KeyError: There is no such extra.
    """
    own = re.compile(rf"{re.escape(project['name'])}\[([\w, -]+)\]$")
    found, todo, seen = set(project["dependencies"]), list(extras), set()
    while todo:
        extra = todo.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for line in project["optional-dependencies"][extra]:
            if match := own.match(line):
                todo += [name.strip() for name in match[1].split(",")]
            else:
                found.add(line)
    return sorted(found)


def main(words: list[str]) -> int:
    """Prints the requirements of the extras that are named."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    known = project["optional-dependencies"]
    extras = list(known) if words == [EVERY] else words
    if unknown := [name for name in extras if name not in known]:
        print(
            f"{PYPROJECT}: no extra {', '.join(unknown)}; there are {', '.join(known)}.",
            file=sys.stderr,
        )
        return 2
    print("\n".join(requirements_of(project, extras)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
