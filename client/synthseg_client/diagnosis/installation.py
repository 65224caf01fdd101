"""Which packages are installed, by their metadata: none of them is imported."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from importlib import metadata

from synthseg_client.diagnosis.finding import Finding, Problem

DISTRIBUTION = "synthseg-serving"
# With what a bug report is compared first.
_SHOWN = ("numpy", "nibabel", "scipy", "grpcio", "protobuf", "tensorflow")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"\bextra\s*==\s*['\"]([^'\"]+)['\"]")
_OWN_EXTRAS = re.compile(rf"^{re.escape(DISTRIBUTION)}\[([^\]]+)\]")
# What our commands read, or choose for TensorFlow where it is not set.
_VARIABLES = (
    "SYNTHSEG_SERVER",
    "SYNTHSEG_TOKEN",
    "ONEDNN_MAX_CPU_ISA",
    "TF_ENABLE_ONEDNN_OPTS",
)


def look_at_versions() -> Finding:
    """Versions of Python, of this package and of those that it stands on."""
    facts: dict[str, object] = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        DISTRIBUTION: _version_of(DISTRIBUTION),
    }
    facts |= {name: _version_of(name) for name in _SHOWN}
    lacking = sorted(_lacking(_needed_by(None)))
    if not lacking:
        return Finding(facts)
    remedy = f"pip install --force-reinstall {DISTRIBUTION}"
    return Finding(facts, (Problem(f"the client lacks {', '.join(lacking)}", remedy),))


def look_at_extras() -> Finding:
    """Which extras are installed, and what the others lack."""
    facts: dict[str, object] = {}
    for extra in _extras():
        lacking = sorted(_lacking(_needed_by(extra)))
        facts[extra] = f"lacks {', '.join(lacking)}" if lacking else "installed"
    return Finding(facts)


def look_at_environment() -> Finding:
    """Which of our environment variables are set, without their values."""
    return Finding({name: "set" if name in os.environ else "unset" for name in _VARIABLES})


def _version_of(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _lacking(names: Iterator[str]) -> set[str]:
    return {name for name in names if _version_of(name) == "not installed"}


def _extras() -> list[str]:
    try:
        return sorted(metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ())
    except metadata.PackageNotFoundError:  # run from its source
        return []


def _needed_by(extra: str | None) -> Iterator[str]:
    """Names of the packages that an extra installs, or the package without any."""
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in requirements:
        named = _EXTRA.search(requirement)
        if (named[1] if named else None) != extra:
            continue
        if own := _OWN_EXTRAS.match(requirement):
            for other in own[1].split(","):
                yield from _needed_by(other.strip())
        elif name := _NAME.match(requirement):
            yield name[0]
