"""Requests to a server, by TF Serving's own messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import numpy as np
import pytest
import tensorflow as tf
from synthseg_common.arrays import AnyArray
from synthseg_serving.server import Server
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
ONES = np.ones((2, 2, 2), np.float32)
"""A volume that the stand-in model takes."""
QUICK: dict[str, Any] = {"poll_s": 0.1, "packed": False}
"""Settings of a server that looks often, and answers as TF Serving does by default."""

Input: TypeAlias = AnyArray | float | list[int]
"""What becomes a tensor of a request."""


class Calls:
    """Requests to one server, in the server's own messages."""

    def __init__(self, channel: grpc.Channel, model: str) -> None:
        self.channel = channel
        self.model = model
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(channel)

    def request(
        self, signature: str = "", outputs: tuple[str, ...] = (), **inputs: Input
    ) -> predict_pb2.PredictRequest:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model
        request.model_spec.signature_name = signature
        request.output_filter.extend(outputs)
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        return request

    def predict(
        self,
        signature: str = "",
        outputs: tuple[str, ...] = (),
        *,
        timeout: float = TIMEOUT_S,
        **inputs: Input,
    ) -> dict[str, AnyArray]:
        request = self.request(signature, outputs, **inputs)
        answer = self.prediction.Predict(request, timeout=timeout)
        return {name: tf.make_ndarray(proto) for name, proto in answer.outputs.items()}

    def answer(self, inputs: Mapping[str, Input]) -> dict[str, AnyArray]:
        """All outputs for inputs whose names only the test knows."""
        request = self.request()
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = self.prediction.Predict(request, timeout=TIMEOUT_S)
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

    def reload(
        self, *models: Mapping[str, object], timeout: float = TIMEOUT_S
    ) -> model_management_pb2.ReloadConfigResponse:
        config = model_server_config_pb2.ModelServerConfig()
        config.model_config_list.SetInParent()
        for entry in models:
            config.model_config_list.config.add(**entry)
        request = model_management_pb2.ReloadConfigRequest(config=config)
        return self.models.HandleReloadConfigRequest(request, timeout=timeout)


@dataclass(frozen=True)
class Running:
    """A server in this process."""

    server: Server
    calls: Calls


def version_of(calls: Calls) -> int:
    """The version that answers a request."""
    answer = calls.prediction.Predict(calls.request("", image=ONES), timeout=TIMEOUT_S)
    return int(answer.model_spec.version.value)


def refused(call: Callable[[], object]) -> tuple[str, str]:
    """Code and message of a call that must be refused."""
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code().name, error.value.details() or ""


def send_bytes(
    channel: grpc.Channel, method: str, data: bytes, timeout_s: float = TIMEOUT_S
) -> bytes:
    """The bytes that a method answers to these."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    return call(data, timeout=timeout_s)


def stream_bytes(channel: grpc.Channel, method: str, data: bytes) -> grpc._CallIterator[bytes]:
    """The messages, as bytes, that a method answers to these."""
    call: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(method)
    return call(data, timeout=TIMEOUT_S)


OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A proxy from the environment would be asked to reach this machine.
    ("grpc.enable_http_proxy", 0),
]
