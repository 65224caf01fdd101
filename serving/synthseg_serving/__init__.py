"""Exports trained networks as served models, and serves them: as a command and as a library.

    from synthseg_serving import ModelConfig, Server, ServerSettings, export_bundle, read_source

    export_bundle(read_source(Path("run")), Path("models/mine"))
    server = Server([ModelConfig(name="mine", base_path=Path("models/mine"))], ServerSettings())

Importing this package loads nothing heavy; names are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import synthseg_common.exports as _exports

if TYPE_CHECKING:
    __version__: str
    from synthseg_common.memory import MemoryLimit as MemoryLimit

    from synthseg_serving.credentials import Tls as Tls
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
    from synthseg_serving.shipped import shipped_model_dir as shipped_model_dir
    from synthseg_serving.sources import read_source as read_source
    from synthseg_serving.versions import ModelConfig as ModelConfig
    from synthseg_serving.versions import VersionPolicy as VersionPolicy

_HOMES = {
    "__version__": "",
    "CallError": "synthseg_serving.errors",
    "ExportError": "synthseg_serving.errors",
    "MemoryLimit": "synthseg_common.memory",
    "ModelConfig": "synthseg_serving.versions",
    "ModelError": "synthseg_serving.errors",
    "Server": "synthseg_serving.server",
    "ServerSettings": "synthseg_serving.server",
    "ServingError": "synthseg_serving.errors",
    "StartError": "synthseg_serving.errors",
    "Tls": "synthseg_serving.credentials",
    "VersionPolicy": "synthseg_serving.versions",
    "WeightsError": "synthseg_serving.errors",
    "cached_set": "synthseg_serving.official.cache",
    "export_bundle": "synthseg_serving.export",
    "export_official": "synthseg_serving.official.export",
    "import_folder": "synthseg_serving.official.importing",
    "inspect_weights": "synthseg_serving.official.weights",
    "read_official": "synthseg_serving.official.export",
    "read_source": "synthseg_serving.sources",
    "shipped_model_dir": "synthseg_serving.shipped",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    """Loads a public name from its module when it is first used."""
    return _exports.load_export(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
