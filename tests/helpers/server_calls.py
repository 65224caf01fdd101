"""Requests to a server, by TF Serving's own messages."""

from __future__ import annotations

import time

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

# Longer than any stall of a busy machine; nothing waits for its end.
TIMEOUT_S = 300


class Calls:
    """Requests to one server, in the server's own messages."""

    def __init__(self, channel: grpc.Channel, model: str) -> None:
        self.channel = channel
        self.model = model
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(channel)

    def request(
        self, signature: str = "", outputs: tuple[str, ...] = (), **inputs: object
    ) -> predict_pb2.PredictRequest:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model
        request.model_spec.signature_name = signature
        request.output_filter.extend(outputs)
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        return request

    def predict(
        self, *args: object, timeout: float = TIMEOUT_S, **inputs: object
    ) -> dict[str, np.ndarray]:
        answer = self.prediction.Predict(self.request(*args, **inputs), timeout=timeout)
        return {name: tf.make_ndarray(proto) for name, proto in answer.outputs.items()}

    def status(self, model: str | None = None, version: int | None = None) -> list[tuple[int, int]]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model or self.model
        if version is not None:
            request.model_spec.version.value = version
        answer = self.models.GetModelStatus(request, timeout=TIMEOUT_S)
        return [(s.version, s.state) for s in answer.model_version_status]

    def await_states(self, states: dict[int, int], timeout_s: float = TIMEOUT_S) -> None:
        """Waits until every version has the state that is wanted; others may have any.

        A reload returns, and a server starts to listen, as soon as one version of a model is there.
        """
        end = time.monotonic() + timeout_s
        while True:
            try:
                found = dict(self.status())
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:  # not heard of yet
                    raise
                found = {}
            if states.items() <= found.items():
                return
            assert time.monotonic() < end, f"{self.model} came to {found}, not to {states}"
            time.sleep(0.05)

    def metadata(self) -> get_model_metadata_pb2.SignatureDefMap:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self.model
        answer = self.prediction.GetModelMetadata(request, timeout=TIMEOUT_S)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        return signatures

    def reload(self, *models: dict[str, object], timeout: float = TIMEOUT_S) -> object:
        config = model_server_config_pb2.ModelServerConfig()
        config.model_config_list.SetInParent()
        for entry in models:
            config.model_config_list.config.add(**entry)
        request = model_management_pb2.ReloadConfigRequest(config=config)
        return self.models.HandleReloadConfigRequest(request, timeout=timeout)


OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A proxy from the environment would be asked to reach this machine.
    ("grpc.enable_http_proxy", 0),
]
