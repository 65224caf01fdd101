"""Brain MRI and CT segmentation through a model server: the client as a command and as a library.

Example:
    >>> from synthseg_client import open_session, segment
    >>> with open_session("localhost:8500") as session:  # doctest: +SKIP
    ...     result = segment("scan.nii.gz", session)
    >>> result.labels.shape, result.volumes["left hippocampus"]  # doctest: +SKIP

Importing this package loads nothing heavy; names are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from synthseg_client.api import open_session as open_session
    from synthseg_client.api import segment as segment
    from synthseg_client.api import segment_many as segment_many
    from synthseg_client.calls.channel import ServerAddress as ServerAddress
    from synthseg_client.calls.channel import Tls as Tls
    from synthseg_client.calls.model_choice import ModelChoice as ModelChoice
    from synthseg_client.calls.retry import RetryPolicy as RetryPolicy
    from synthseg_client.calls.session import Session as Session
    from synthseg_client.errors import ClientError as ClientError
    from synthseg_client.inputs.scans import Scan as Scan
    from synthseg_client.inputs.scans import read_scan as read_scan
    from synthseg_client.model import Model as Model
    from synthseg_client.options import Crop as Crop
    from synthseg_client.options import Options as Options
    from synthseg_client.segmentation.result import Segmentation as Segmentation

_HOMES = {
    "ClientError": "errors",
    "Crop": "options",
    "Model": "model",
    "LocalServer": "embedded",
    "ModelChoice": "calls.model_choice",
    "Options": "options",
    "RetryPolicy": "calls.retry",
    "Scan": "inputs.scans",
    "Segmentation": "segmentation.result",
    "ServerAddress": "calls.channel",
    "Session": "calls.session",
    "Tls": "calls.channel",
    "open_session": "api",
    "read_scan": "inputs.scans",
    "segment": "api",
    "segment_many": "api",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Loads a public name from its module when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("synthseg-serving")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
