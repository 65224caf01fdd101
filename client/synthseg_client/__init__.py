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
    from synthseg_client.batch.outcome import Outcome as Outcome
    from synthseg_client.batch.plan import plan_batch as plan_batch
    from synthseg_client.batch.run import run_batch as run_batch
    from synthseg_client.batch.settings import BatchSettings as BatchSettings
    from synthseg_client.batch.tasks import BatchPlan as BatchPlan
    from synthseg_client.batch.tasks import ScanTask as ScanTask
    from synthseg_client.calls.channel import ServerAddress as ServerAddress
    from synthseg_client.calls.channel import Tls as Tls
    from synthseg_client.calls.model_choice import ModelChoice as ModelChoice
    from synthseg_client.calls.prediction import Prediction as Prediction
    from synthseg_client.calls.retry import RetryPolicy as RetryPolicy
    from synthseg_client.calls.session import Session as Session
    from synthseg_client.dicom.choice import find_series as find_series
    from synthseg_client.dicom.conversion import read_series as read_series
    from synthseg_client.dicom.results import write_dicom as write_dicom
    from synthseg_client.dicom.series import DicomSeries as DicomSeries
    from synthseg_client.embedded import LocalModels as LocalModels
    from synthseg_client.embedded import LocalServer as LocalServer
    from synthseg_client.errors import AccessDeniedError as AccessDeniedError
    from synthseg_client.errors import AnswerError as AnswerError
    from synthseg_client.errors import BadRequestError as BadRequestError
    from synthseg_client.errors import BrokenConnectionError as BrokenConnectionError
    from synthseg_client.errors import ClientError as ClientError
    from synthseg_client.errors import EmbeddedServerError as EmbeddedServerError
    from synthseg_client.errors import LostOnScanError as LostOnScanError
    from synthseg_client.errors import ModelError as ModelError
    from synthseg_client.errors import ModelGoneError as ModelGoneError
    from synthseg_client.errors import OutputError as OutputError
    from synthseg_client.errors import RequestTooLargeError as RequestTooLargeError
    from synthseg_client.errors import ResultError as ResultError
    from synthseg_client.errors import ScanError as ScanError
    from synthseg_client.errors import ServerBusyError as ServerBusyError
    from synthseg_client.errors import ServerError as ServerError
    from synthseg_client.errors import ServerGoneError as ServerGoneError
    from synthseg_client.errors import ServerTimeoutError as ServerTimeoutError
    from synthseg_client.errors import ServerUnreachableError as ServerUnreachableError
    from synthseg_client.errors import UnexpectedError as UnexpectedError
    from synthseg_client.errors import UnknownModelError as UnknownModelError
    from synthseg_client.errors import UsageError as UsageError
    from synthseg_client.inputs.scans import Scan as Scan
    from synthseg_client.inputs.scans import read_scan as read_scan
    from synthseg_client.model import Model as Model
    from synthseg_client.options import Crop as Crop
    from synthseg_client.options import Options as Options
    from synthseg_client.segmentation.result import Segmentation as Segmentation

_HOMES = {
    "AccessDeniedError": "errors",
    "AnswerError": "errors",
    "BadRequestError": "errors",
    "BatchPlan": "batch.tasks",
    "BatchSettings": "batch.settings",
    "BrokenConnectionError": "errors",
    "ClientError": "errors",
    "Crop": "options",
    "DicomSeries": "dicom.series",
    "EmbeddedServerError": "errors",
    "LocalModels": "embedded",
    "LocalServer": "embedded",
    "LostOnScanError": "errors",
    "Model": "model",
    "ModelChoice": "calls.model_choice",
    "ModelError": "errors",
    "ModelGoneError": "errors",
    "Options": "options",
    "Outcome": "batch.outcome",
    "OutputError": "errors",
    "Prediction": "calls.prediction",
    "RequestTooLargeError": "errors",
    "ResultError": "errors",
    "RetryPolicy": "calls.retry",
    "Scan": "inputs.scans",
    "ScanError": "errors",
    "ScanTask": "batch.tasks",
    "Segmentation": "segmentation.result",
    "ServerAddress": "calls.channel",
    "ServerBusyError": "errors",
    "ServerError": "errors",
    "ServerGoneError": "errors",
    "ServerTimeoutError": "errors",
    "ServerUnreachableError": "errors",
    "Session": "calls.session",
    "Tls": "calls.channel",
    "UnexpectedError": "errors",
    "UnknownModelError": "errors",
    "UsageError": "errors",
    "find_series": "dicom.choice",
    "open_session": "api",
    "plan_batch": "batch.plan",
    "read_scan": "inputs.scans",
    "read_series": "dicom.conversion",
    "run_batch": "batch.run",
    "segment": "api",
    "segment_many": "api",
    "write_dicom": "dicom.results",
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
