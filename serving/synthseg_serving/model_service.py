"""ModelService of TF Serving: status of versions, and reload of the configuration."""

from __future__ import annotations

import logging

import grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
)

from synthseg_serving.errors import CallError
from synthseg_serving.manager import ModelManager
from synthseg_serving.model_config import parse_config
from synthseg_serving.prediction import check_spec, refuse

log = logging.getLogger(__name__)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]  # TensorFlow ships no types
    """Answers what is loaded, and changes it."""

    def __init__(self, manager: ModelManager) -> None:
        """Takes the manager whose models it speaks of."""
        self._manager = manager

    def GetModelStatus(  # noqa: N802
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Answers the state of every version of a model, or of one."""
        response = get_model_status_pb2.GetModelStatusResponse()
        try:
            check_spec(request)
            spec = request.model_spec
            version = spec.version.value if spec.HasField("version") else None
            for number, state, failure in self._manager.statuses(spec.name, version):
                status = response.model_version_status.add(version=number, state=state)
                status.status.error_code = grpc.StatusCode.UNKNOWN.value[0] if failure else 0
                status.status.error_message = failure
        except CallError as error:
            refuse(context, error)
        return response

    def HandleReloadConfigRequest(  # noqa: N802
        self, request: model_management_pb2.ReloadConfigRequest, context: grpc.ServicerContext
    ) -> model_management_pb2.ReloadConfigResponse:
        """Serves exactly the models listed; returns when they answer requests."""
        response = model_management_pb2.ReloadConfigResponse()
        try:
            self._manager.apply(parse_config(request.config))
        except CallError as error:
            log.warning("a reload was refused: %s", error)
            refuse(context, error)
        response.status.error_code = 0
        return response
