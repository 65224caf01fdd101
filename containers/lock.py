"""Pins from what pip resolved: constraints.txt, written anew by `make constraints`.

    python containers/lock.py report.json constraints.txt

The report is that of `pip install --dry-run --ignore-installed --report`. Comments at the head of
the file stay.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def pins_of(report: dict[str, Any]) -> list[str]:
    """Lines `name==version` for all that a report would install from a registry, sorted.

    What comes from a folder, as this distribution does, is left out.
    """
    packages = [
        (item["metadata"]["name"], item["metadata"]["version"])
        for item in report["install"]
        if "dir_info" not in item["download_info"]
    ]
    return [f"{name}=={version}" for name, version in sorted(packages, key=_by_name)]


def _by_name(package: tuple[str, str]) -> str:
    return package[0].lower()


def main(words: list[str]) -> int:
    """Writes the pins of a report, whole or not at all."""
    if len(words) != 2:
        print("usage: lock.py REPORT CONSTRAINTS", file=sys.stderr)
        return 2
    report, target = map(Path, words)
    old = target.read_text(encoding="utf-8").splitlines()
    head = [line for line in old if line.startswith("#")]
    pins = pins_of(json.loads(report.read_text(encoding="utf-8")))
    new = target.with_suffix(".tmp")
    new.write_text("\n".join([*head, *pins]) + "\n", encoding="utf-8")
    new.replace(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
