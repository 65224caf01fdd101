"""What became of one scan of a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from synthseg_common.telemetry.trace import TraceContext

from synthseg_client.batch.tasks import ScanTask


@dataclass(frozen=True)
class Outcome:
    """What became of one scan.

    Attributes:
        task: The scan and its outputs.
        status: Whether it was done, had been done before, or failed.
        error: Why it failed.
        left: Whether it failed for want of a server alone: nothing is known against it.
        model: Name and version of the model that answered.
        warnings: What the user should know.
        volumes: mm³ by structure.
        quality: Predicted Dice by group of structures.
        seconds: Wall time by step.
        error_kind: Class of the error.
        names_no_scan: Whether the error's text is of the server alone.
        context: Of its trace, if there is one.
    """

    task: ScanTask
    status: Literal["done", "skipped", "failed"]
    error: str = ""
    left: bool = False
    model: str = ""
    warnings: tuple[str, ...] = ()
    volumes: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)
    error_kind: str = ""
    names_no_scan: bool = False
    context: TraceContext | None = None

    def to_json(self, told: Callable[[str], str] = lambda name: name) -> str:
        """One machine-readable line.

        Args:
            told: Puts names that the user knows into what names files.
        """
        record = {
            "scan": told(str(self.task.scan)),
            "status": self.status,
            "labels": told(str(self.task.labels)),
        }
        details = {
            "error": told(self.error),
            "left": self.left,
            "model": self.model,
            "warnings": self.warnings,
            "volumes_mm3": self.volumes,
            "quality": self.quality,
            "seconds": self.seconds,
        }
        return json.dumps({**record, **{key: value for key, value in details.items() if value}})
