"""How long is waited for what does not answer, and how that is said."""

from __future__ import annotations

from synthseg_common.telemetry.log import note

ANSWER_TIMEOUT_S = 60
"""How long a scheduler, or workers that it has, may take to answer."""
LOOK_EVERY_S = 5.0


def say_missing(missing: str, left_s: float) -> None:
    """Says on the error stream who is not there, and how long is waited yet."""
    note(f"{missing}: waiting {left_s:.0f} s more.")
