"""Public names of a package, loaded from their modules when they are first used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

_VERSION = "__version__"
_DISTRIBUTION = "synthseg-serving"


def load_export(package: str, homes: Mapping[str, str], name: str) -> Any:
    """A public name, for the `__getattr__` of a package.

    Args:
        package: The package's name.
        homes: By public name the module that it comes from; an empty one for `__version__`, which
            is that of the distribution.
        name: What is asked for.

    Raises:
        AttributeError: The package has no such name.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    if name == _VERSION:
        from importlib.metadata import version

        return version(_DISTRIBUTION)
    return getattr(import_module(homes[name]), name)
