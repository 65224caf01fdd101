"""Makes an image's bill of materials whole, and holds the image to the pins.

    python3 containers/sbom.py sbom.cdx.json constraints.txt

`cyclonedx-py environment` has listed the Python packages. This adds the packages of Debian that the
image is made of, and refuses a Python package that is not pinned, or at another version. Runs while
an image is built, with nothing but Python; the result is CycloneDX 1.6, as it was.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG_STATUS = Path("/var/lib/dpkg/status")
OWN_NAME = "synthseg-serving"


def pinned_versions(constraints: str) -> dict[str, str]:
    """Versions in a constraints file, by the name's normal form."""
    lines = [line.split("#")[0].strip() for line in constraints.splitlines()]
    pairs = [line.split("==", 1) for line in lines if "==" in line]
    return {normal_name(name): version.strip() for name, version in pairs}


def normal_name(name: str) -> str:
    """The form in which registries compare names."""
    return re.sub(r"[-_.]+", "-", name).strip().lower()


def unpinned(sbom: dict[str, Any], pins: dict[str, str]) -> list[str]:
    """Python packages of a bill of materials that differ from the pins, as `name==version`."""
    return sorted(
        f"{part['name']}=={part['version']}"
        for part in sbom["components"]
        if part.get("purl", "").startswith("pkg:pypi/")
        and normal_name(part["name"]) != OWN_NAME
        and pins.get(normal_name(part["name"])) != part["version"]
    )


def debian_components(status: str) -> list[dict[str, str]]:
    """Installed packages of dpkg's status file, as components of a bill of materials."""
    records = [_fields(block) for block in status.split("\n\n")]
    return [
        _component(record) for record in records if record.get("Status", "").endswith(" installed")
    ]


def _fields(block: str) -> dict[str, str]:
    lines = [line for line in block.splitlines() if line[:1].strip() and ": " in line]
    return dict(line.split(": ", 1) for line in lines)


def _component(record: dict[str, str]) -> dict[str, str]:
    name, version = record["Package"], record["Version"]
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={record['Architecture']}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main(words: list[str]) -> int:
    """Completes the bill of materials in its place; 1 if a package is not pinned."""
    path, constraints = map(Path, words)
    sbom = json.loads(path.read_text(encoding="utf-8"))
    wrong = unpinned(sbom, pinned_versions(constraints.read_text(encoding="utf-8")))
    if wrong:
        print(
            f"{constraints} does not pin {_listed(wrong)}: run `make constraints`.", file=sys.stderr
        )
        return 1
    if DPKG_STATUS.is_file():
        sbom["components"] += debian_components(DPKG_STATUS.read_text(encoding="utf-8"))
    path.write_text(json.dumps(sbom, indent=1) + "\n", encoding="utf-8")
    return 0


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
