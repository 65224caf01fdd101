"""Which versions of a model lie on disk, and which of them to serve. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthseg_serving.errors import ModelError

FORMAT_VERSION = 4
"""Of what is exported: changes when the same weights would become another graph."""

Stamp = tuple[tuple[str, int, int], ...]
"""What a folder looks like from outside."""


@dataclass(frozen=True, kw_only=True)
class VersionPolicy:
    """Which versions to serve.

    Attributes:
        latest: The highest so many; 0 for all.
        specific: Exactly these; overrides `latest`.
    """

    latest: int = 1
    specific: tuple[int, ...] = ()

    def choose(self, found: Mapping[int, Path]) -> list[int]:
        """The versions to serve, descending."""
        if self.specific:
            return sorted(set(self.specific) & set(found), reverse=True)
        ordered = sorted(found, reverse=True)
        return ordered[: self.latest] if self.latest else ordered


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """One model to serve.

    Attributes:
        name: Name in requests.
        base_path: Folder of numbered versions.
        policy: Which of them.
        labels: Version by label, as `stable` or `canary`.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = field(default_factory=dict)


def find_versions(base_path: Path) -> dict[int, Path]:
    """Folders by version number; names that are no number are left alone.

    Raises:
        ModelError: The base path is no folder that can be read.
    """
    try:
        entries = [path for path in base_path.iterdir() if path.is_dir()]
        # Where all of it went away meanwhile, no entry is a folder, and the versions are not gone.
        base_path.stat()
    except OSError as error:
        raise ModelError(
            f"{base_path} cannot be read as a model folder: {error.strerror}."
        ) from error
    names = [(path.name, path) for path in entries]
    return {int(name): path for name, path in names if name.isascii() and name.isdigit()}


def stored_bytes(folder: Path) -> int:
    """Size of a version's files."""
    return sum(size for _, size, _ in stamp_of(folder))


def stamp_of(folder: Path) -> Stamp:
    """Names, sizes and times of a version's files; changes while somebody writes them."""
    try:
        files = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    except OSError:
        return ()
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in files)
