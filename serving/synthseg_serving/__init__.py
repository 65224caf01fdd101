"""Exports trained networks as served models, and serves them: as a command and as a library.

    from synthseg_serving import ModelConfig, Server, ServerSettings, export_bundle, read_source

    export_bundle(read_source(Path("run")), Path("models/mine"))
    server = Server([ModelConfig(name="mine", base_path=Path("models/mine"))], ServerSettings())

Importing this package loads nothing heavy; names are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from synthseg_common.memory import MemoryLimit as MemoryLimit

    from synthseg_serving.errors import CallError as CallError
    from synthseg_serving.errors import ExportError as ExportError
    from synthseg_serving.errors import ModelError as ModelError
    from synthseg_serving.errors import ServingError as ServingError
    from synthseg_serving.errors import StartError as StartError
    from synthseg_serving.errors import WeightsError as WeightsError
    from synthseg_serving.export import export_bundle as export_bundle
    from synthseg_serving.official.cache import cached_set as cached_set
    from synthseg_serving.official.export import export_official as export_official
    from synthseg_serving.official.export import read_official as read_official
    from synthseg_serving.official.importing import import_folder as import_folder
    from synthseg_serving.official.weights import inspect_weights as inspect_weights
    from synthseg_serving.server import Server as Server
    from synthseg_serving.server import ServerSettings as ServerSettings
    from synthseg_serving.server import Tls as Tls
    from synthseg_serving.shipped import shipped_model_dir as shipped_model_dir
    from synthseg_serving.sources import read_source as read_source
    from synthseg_serving.versions import ModelConfig as ModelConfig
    from synthseg_serving.versions import VersionPolicy as VersionPolicy

_HOMES = {
    "CallError": "errors",
    "ExportError": "errors",
    "MemoryLimit": "server",
    "ModelConfig": "versions",
    "ModelError": "errors",
    "Server": "server",
    "ServerSettings": "server",
    "ServingError": "errors",
    "StartError": "errors",
    "Tls": "server",
    "VersionPolicy": "versions",
    "WeightsError": "errors",
    "cached_set": "official.cache",
    "export_bundle": "export",
    "export_official": "official.export",
    "import_folder": "official.importing",
    "inspect_weights": "official.weights",
    "read_official": "official.export",
    "read_source": "sources",
    "shipped_model_dir": "shipped",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    """Loads a public name from its module when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("synthseg-serving")
    if name in _HOMES:
        value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
