"""Errors of the generator: each says what was wrong, what was expected and what was found."""

from __future__ import annotations

from synthseg_common.errors import Outage, SynthSegError


class GeneratorError(SynthSegError):
    """Base of every error of label maps, stores and samples that this package raises on purpose."""


class ConfigError(GeneratorError, ValueError):
    """A setting is unknown, contradictory or out of its range."""


class LabelError(GeneratorError, ValueError):
    """A label map does not fit, or the file of a label table."""


class StoreError(GeneratorError, OSError):
    """A label store or plan is missing, broken or of another version, or cannot be written."""


class SchedulerError(StoreError, Outage):
    """The Dask scheduler does not answer, is lost, or loses its workers."""
