"""Brain MRI and CT segmentation through a model server: the client as a command and as a library.

Example:
    >>> from synthseg_client import open_session, segment
    >>> with open_session("localhost:8500") as session:  # doctest: +SKIP
    ...     result = segment("scan.nii.gz", session)
    >>> result.labels.shape, result.volumes["left hippocampus"]  # doctest: +SKIP

Importing this package loads nothing heavy; names are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import synthseg_common.exports as _exports

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
    "__version__": "",
    "AccessDeniedError": "synthseg_client.errors",
    "AnswerError": "synthseg_client.errors",
    "BadRequestError": "synthseg_client.errors",
    "BatchPlan": "synthseg_client.batch.tasks",
    "BatchSettings": "synthseg_client.batch.settings",
    "BrokenConnectionError": "synthseg_client.errors",
    "ClientError": "synthseg_client.errors",
    "Crop": "synthseg_client.options",
    "DicomSeries": "synthseg_client.dicom.series",
    "EmbeddedServerError": "synthseg_client.errors",
    "LocalModels": "synthseg_client.embedded",
    "LocalServer": "synthseg_client.embedded",
    "LostOnScanError": "synthseg_client.errors",
    "Model": "synthseg_client.model",
    "ModelChoice": "synthseg_client.calls.model_choice",
    "ModelError": "synthseg_client.errors",
    "ModelGoneError": "synthseg_client.errors",
    "Options": "synthseg_client.options",
    "Outcome": "synthseg_client.batch.outcome",
    "OutputError": "synthseg_client.errors",
    "Prediction": "synthseg_client.calls.prediction",
    "RequestTooLargeError": "synthseg_client.errors",
    "ResultError": "synthseg_client.errors",
    "RetryPolicy": "synthseg_client.calls.retry",
    "Scan": "synthseg_client.inputs.scans",
    "ScanError": "synthseg_client.errors",
    "ScanTask": "synthseg_client.batch.tasks",
    "Segmentation": "synthseg_client.segmentation.result",
    "ServerAddress": "synthseg_client.calls.channel",
    "ServerBusyError": "synthseg_client.errors",
    "ServerError": "synthseg_client.errors",
    "ServerGoneError": "synthseg_client.errors",
    "ServerTimeoutError": "synthseg_client.errors",
    "ServerUnreachableError": "synthseg_client.errors",
    "Session": "synthseg_client.calls.session",
    "Tls": "synthseg_client.calls.channel",
    "UnexpectedError": "synthseg_client.errors",
    "UnknownModelError": "synthseg_client.errors",
    "UsageError": "synthseg_client.errors",
    "find_series": "synthseg_client.dicom.choice",
    "open_session": "synthseg_client.api",
    "plan_batch": "synthseg_client.batch.plan",
    "read_scan": "synthseg_client.inputs.scans",
    "read_series": "synthseg_client.dicom.conversion",
    "run_batch": "synthseg_client.batch.run",
    "segment": "synthseg_client.api",
    "segment_many": "synthseg_client.api",
    "write_dicom": "synthseg_client.dicom.results",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Loads a public name from its module when it is first used."""
    return _exports.load_export(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
