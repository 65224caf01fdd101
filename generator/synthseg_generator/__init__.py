"""Synthetic brain scans of any contrast and resolution, made from label maps.

from synthseg_generator import BrainGenerator

for image, labels in BrainGenerator("maps.zarr", seed=1):
    ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthseg_generator.brain_generator import BrainGenerator, Sample
    from synthseg_generator.feed.stream import StreamSettings, open_stream
    from synthseg_generator.settings.generator import GeneratorSettings
    from synthseg_generator.store.label_store import LabelStore, open_store

# Found when asked for, so that the command's `--help` does not wait for Zarr.
_HOMES = {
    "BrainGenerator": "brain_generator",
    "GeneratorSettings": "settings.generator",
    "LabelStore": "store.label_store",
    "Sample": "brain_generator",
    "StreamSettings": "feed.stream",
    "open_store": "store.label_store",
    "open_stream": "feed.stream",
}

__all__ = [
    "BrainGenerator",
    "GeneratorSettings",
    "LabelStore",
    "Sample",
    "StreamSettings",
    "open_store",
    "open_stream",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
