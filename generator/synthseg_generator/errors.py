"""Errors of the generator: each says what was wrong, what was expected and what was found."""


class GeneratorError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(GeneratorError, ValueError):
    """A setting is unknown, contradictory or out of its range."""


class LabelError(GeneratorError, ValueError):
    """A label map or label table does not fit."""


class StoreError(GeneratorError, OSError):
    """A label store or plan is missing, broken or of another version."""
