"""What a report tells of a run. Importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthseg_common.formats import stem_of
from synthseg_common.labels import BACKGROUND, STRUCTURE_NAMES
from synthseg_common.parcels import PARCELS

from synthseg_client.batch.naming import SUFFIXES


@dataclass(frozen=True)
class ScanRecord:
    """One segmented scan.

    Attributes:
        name: What it is called in the volumes table.
        labels: Its label map.
        scan: Where it lies; None if nobody knows.
        sha256: Of the scan as it was segmented; empty if nobody knows.
        volumes: mm³ by structure; empty where no record holds them.
        quality: Predicted Dice by group of structures.
        sidecar: What was written beside the label map: model, options, seconds, warnings.
    """

    name: str
    labels: Path
    scan: Path | None = None
    sha256: str = ""
    volumes: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, float] = field(default_factory=dict)
    sidecar: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user was told about it."""
        told = self.sidecar.get("warnings")
        return tuple(map(str, told)) if isinstance(told, list) else ()

    @property
    def seconds(self) -> float | None:
        """Wall time of all steps, or None."""
        steps = self.sidecar.get("seconds")
        if not isinstance(steps, dict):
            return None
        numbers = [s for s in steps.values() if isinstance(s, int | float)]
        return float(sum(numbers)) if numbers else None

    @property
    def label_names(self) -> dict[int, str]:
        """Names by label value, as far as the sidecar holds them."""
        told = self.sidecar.get("labels")
        if isinstance(told, dict):
            return {int(v): str(n) for v, n in told.items() if str(v).isdecimal()}
        # Sidecars of before, or none: the released tables are known by their names.
        released = {**STRUCTURE_NAMES, **dict(zip(PARCELS.values, PARCELS.names, strict=True))}
        return {v: n for v, n in released.items() if n in self.volumes or v == BACKGROUND}


@dataclass(frozen=True)
class Failure:
    """A scan without a result.

    Attributes:
        name: What it is called.
        reason: Why, without folders.
        left: Whether it was not tried for want of a server.
    """

    name: str
    reason: str
    left: bool = False


@dataclass(frozen=True)
class Run:
    """All scans of a run.

    Attributes:
        records: Those with results, in order.
        failures: Those without.
    """

    records: tuple[ScanRecord, ...]
    failures: tuple[Failure, ...] = ()


def name_of(labels: Path, scan: Path, prefix: str = "") -> str:
    """What pages call a scan: as its label map, or as itself where that was named by the user.

    Args:
        labels: Its label map.
        scan: The scan.
        prefix: What tells it from scans of the same name.
    """
    stem, mark = stem_of(labels), SUFFIXES["--o"]
    return stem.removesuffix(mark) if stem.endswith(mark) else prefix + stem_of(scan)


def without_folders(text: str, scan: Path) -> str:
    """A message in which a scan goes by its name: folders may name patients and users."""
    for path in (scan.absolute(), scan):
        folder = str(path.parent)
        if folder not in (".", "/"):
            text = text.replace(f"{folder}/", "")
    return text
