"""Errors of the trainer: each says what was wrong, what was expected and what was found."""

from __future__ import annotations

from synthseg_common.errors import Outage, SynthSegError


class TrainerError(SynthSegError):
    """Base of every error that this package raises on purpose."""


class ConfigError(TrainerError, ValueError):
    """A setting is unknown, contradictory or out of its range."""


class CheckpointError(TrainerError, OSError):
    """A checkpoint is missing, broken, or made with other settings."""


class OutageError(TrainerError, Outage):
    """What is around a run failed, and the same call may do at another time."""
