"""The official validator's word on a dataset, where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

COMMAND = "bids-validator-deno"
_SECONDS_AT_MOST = 3600.0


@dataclass(frozen=True)
class Verdict:
    """What the validator found.

    Attributes:
        errors: Number of files by kind of error.
        schema: Version of the schema that it went by.
    """

    errors: dict[str, int]
    schema: str = ""


def find_validator() -> str | None:
    """The validator's command: of this environment, else on the path."""
    beside = Path(sys.executable).with_name(COMMAND)
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(COMMAND)


def validate(root: Path) -> Verdict | None:
    """Runs the validator on a dataset; it needs no network.

    Returns:
        What it found; None where it is not installed, or does not tell.
    """
    command = find_validator()
    if command is None:
        return None
    words = [command, str(root), "--format", "json", "--ignoreWarnings"]
    try:
        run = subprocess.run(
            words, capture_output=True, check=False, timeout=_SECONDS_AT_MOST, env=_quiet()
        )
        told = json.loads(run.stdout)
        issues, summary = told["issues"]["issues"], told["summary"]
        errors = Counter(issue["code"] for issue in issues if issue.get("severity") == "error")
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError):
        return None
    return Verdict(dict(errors), str(summary.get("schemaVersion", "")))


def _quiet() -> dict[str, str]:
    return {**os.environ, "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
