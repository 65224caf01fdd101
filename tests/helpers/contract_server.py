"""A real gRPC server that keeps the contract, with a small NumPy model instead of a network.

The model has three structures: voxels above 0.25, 0.5 and 0.75 of the image's largest intensity.
Other models may stand beside it, under names of their own.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.tensors import from_message, to_message
from synthseg_common import contract
from synthseg_common.labels import SegmentationLabels

VALUES = (0, 2, 24, 41)
NAMES = ("background", "left white matter", "csf", "right white matter")
CLASSES = (0, 1, 0, 2)
FLIPS = (0, 3, 2, 1)
TABLE = SegmentationLabels(VALUES, NAMES, CLASSES, FLIPS)
SHOWN = VALUES
"""Labels of voxels by their level of intensity."""
PEAK = 0.9
OUTPUTS = (contract.LABELS, contract.NETWORK_LABELS, *contract.EVIDENCE, contract.POSTERIORS)


@dataclass(frozen=True)
class Beside:
    """Another model of the same server.

    Attributes:
        table: Its labels.
        info: What it says of itself.
        answer: From a request's inputs to all outputs.
    """

    table: SegmentationLabels
    info: dict[str, Any]
    answer: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class ContractServer:
    """Switches and records of the server.

    Attributes:
        version: Version it answers with.
        states: Of its versions; None is the one that answers, available.
        labels: Version by label.
        loading: Whether no version answers, since the model is on its way.
        failures: gRPC codes to fail the next segmentations with, first come first served.
        failure_details: What they say.
        failure_reason: What our server adds as trailing metadata.
        retry_after_ms: What it adds to say when to come back.
        arrived: Called with every segmentation's inputs before it is worked on.
        delay_s: How long a segmentation takes; it ends with the server.
        describe_delay_s: How long the label table takes.
        patience_s: How long whoever asked for a label table last would wait.
        declared: Shapes of outputs that it answers one value of, whatever they are.
        tamper: Changes the answer before it leaves.
        info: What else the model says of itself.
        names: Of its labels.
        table: Its labels.
        shown: Labels of voxels by their level of intensity.
        outputs: What its signature says it answers.
        beside: Other models, by name.
        asked: Whether a label table was asked for.
        requests: Inputs and metadata of every segmentation that arrived.
    """

    version: int = 1
    states: dict[int, int] | None = None
    labels: dict[str, int] = field(default_factory=dict)
    loading: bool = False
    failures: list[grpc.StatusCode] = field(default_factory=list)
    failure_details: str = "as told"
    failure_reason: str = ""
    retry_after_ms: int | None = None
    arrived: Callable[[dict[str, Any]], None] = lambda _: None
    delay_s: float = 0.0
    describe_delay_s: float = 0.0
    patience_s: float = 0.0
    declared: dict[str, list[int]] = field(default_factory=dict)
    contract_version: int = contract.VERSION
    tamper: Any = None
    info: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = NAMES
    table: SegmentationLabels = TABLE
    shown: tuple[int, ...] = SHOWN
    outputs: tuple[str, ...] = OUTPUTS
    beside: dict[str, Beside] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    busy: list[tuple[float, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    asked: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def predict(
        self, request: wire.PredictRequest, context: grpc.ServicerContext
    ) -> wire.PredictResponse:
        self._check_spec(request.model_spec, context)
        other = self.beside.get(request.model_spec.name)
        if request.model_spec.signature_name == contract.DESCRIBE_SIGNATURE:
            self.asked.set()
            self.patience_s = context.time_remaining()
            self.ended.wait(self.describe_delay_s)
            return self._answer(request, self._description(other))
        inputs = {name: from_message(tensor) for name, tensor in request.inputs.items()}
        with self.lock:
            self.requests.append(
                {
                    **inputs,
                    "model": request.model_spec.name,
                    "metadata": dict(context.invocation_metadata()),
                    "filter": list(request.output_filter),
                }
            )
            failure = self.failures.pop(0) if self.failures else None
        self.arrived(inputs)
        if failure is not None:
            told = [("synthseg-reason", self.failure_reason)] if self.failure_reason else []
            if self.retry_after_ms is not None:
                told.append(("grpc-retry-pushback-ms", str(self.retry_after_ms)))
            context.set_trailing_metadata(tuple(told))
            context.abort(failure, self.failure_details)
        started = time.monotonic()
        self.ended.wait(self.delay_s)
        least = inputs.get(contract.MIN_SIZE, np.full(3, contract.DEFAULT_MIN_SIZE))
        if other is None:
            outputs = segment(inputs[contract.IMAGE], least, self.table, self.shown)
        else:
            outputs = other.answer(inputs)
        self.busy.append((started, time.monotonic()))
        if self.tamper is not None:
            outputs = self.tamper(outputs)
        return self._answer(request, outputs)

    def _check_spec(self, spec: wire.ModelSpec, context: grpc.ServicerContext) -> None:
        if spec.version_label and spec.version_label not in self.labels:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {spec.version_label}",
            )
        if spec.name not in (contract.MODEL_NAME, *self.beside) or self.loading:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})"
            )
        if spec.HasField("version") and spec.version.value != self.version:
            context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Specific(synthseg, {spec.version.value})",
            )

    def _description(self, other: Beside | None) -> dict[str, Any]:
        info = {"contract": self.contract_version, "name": "synthseg", "version": "test"}
        info.update(self.info if other is None else other.info)
        table = self.table if other is None else other.table
        names = self.names if table is TABLE else table.names
        return {
            contract.LABEL_VALUES: np.array(table.values, np.int32),
            contract.LABEL_NAMES: np.array(names),
            contract.TOPOLOGY_CLASSES: np.array(table.topology_classes, np.int32),
            contract.FLIP_CHANNELS: np.array(table.flip_channels, np.int32),
            contract.MODEL_INFO: np.array(json.dumps(info)),
        }

    def _answer(
        self, request: wire.PredictRequest, outputs: dict[str, Any]
    ) -> wire.PredictResponse:
        answer = wire.PredictResponse(model_spec=wire.ModelSpec(name=request.model_spec.name))
        answer.model_spec.version.value = self.version
        answer.model_spec.signature_name = request.model_spec.signature_name
        for name, values in outputs.items():
            if not request.output_filter or name in request.output_filter:
                answer.outputs[name].CopyFrom(self._message(name, values))
        return answer

    def _message(self, name: str, values: Any) -> wire.Tensor:
        if name not in self.declared:
            return to_message(values)
        message = wire.Tensor(dtype=to_message(values).dtype)
        for size in self.declared[name]:
            message.tensor_shape.dim.add(size=size)
        (message.half_val if message.dtype == wire.DT_HALF else message.int_val).append(0)
        return message

    def get_status(self, request: wire.GetModelStatusRequest, context: grpc.ServicerContext) -> Any:
        name = request.model_spec.name
        if name not in (contract.MODEL_NAME, *self.beside):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
        answer = wire.GetModelStatusResponse()
        states = self.states or {self.version: wire.ModelVersionStatus.AVAILABLE}
        for version, state in states.items():
            answer.model_version_status.add(version=version, state=state)
        return answer

    def get_metadata(
        self, request: wire.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> Any:
        signatures = wire.SignatureDefMap()
        outputs = signatures.signature_def[contract.SEGMENT_SIGNATURE].outputs
        for name in self.outputs:
            outputs[name].dtype = wire.DT_INT32
        answer = wire.GetModelMetadataResponse()
        answer.metadata["signature_def"].value = signatures.SerializeToString()
        return answer


def segment(
    image: np.ndarray,
    min_size: np.ndarray,
    table: SegmentationLabels = TABLE,
    shown: tuple[int, ...] = SHOWN,
) -> dict[str, np.ndarray]:
    """All outputs of the contract for an image."""
    values = np.array(table.values, np.uint8)
    channels = np.searchsorted(values, shown)
    grid = [int(-(-max(n, m) // 32) * 32) for n, m in zip(image.shape, min_size, strict=True)]
    offset = [(g - n) // 2 for g, n in zip(grid, image.shape, strict=True)]
    inside_grid = tuple(slice(o, o + n) for o, n in zip(offset, image.shape, strict=True))
    padded = np.zeros(grid, np.float32)
    padded[inside_grid] = image
    level = np.digitize(padded / max(float(image.max()), 1e-6), [0.25, 0.5, 0.75])
    rest = (1 - PEAK) / (len(values) - 1)
    posteriors = np.full((*grid, len(values)), rest, np.float32)
    np.put_along_axis(posteriors, channels[level][..., None], PEAK, axis=-1)
    foreground = (posteriors[..., 1:].sum(axis=-1) > contract.FOREGROUND_THRESHOLD) & (level > 0)
    inside = posteriors[foreground].astype(np.float16)
    fixed = [c for c, group in enumerate(table.topology_classes) if c == 0 or group == 0]
    free = [c for c in range(len(values)) if c not in fixed]
    order = np.argsort(-inside[:, free], axis=1, kind="stable")[:, : contract.TOP_K]
    return {
        contract.LABELS: values[channels[level[inside_grid]]],
        contract.NETWORK_LABELS: values[channels[level]],
        contract.NETWORK_SHAPE: np.array(grid, np.int32),
        contract.OFFSET: np.array(offset, np.int32),
        contract.FOREGROUND: np.packbits(foreground),
        contract.POSTERIORS: inside,
        contract.FIXED_PROBABILITY: inside[:, fixed],
        contract.FIXED_CHANNELS: np.array(fixed, np.int32),
        contract.TOP_PROBABILITY: np.take_along_axis(inside[:, free], order, axis=1),
        contract.TOP_CHANNELS: np.array(free, np.uint8)[order],
    }


@contextmanager
def serving(
    model: ContractServer, address: str = "localhost:0", credentials: Any = None
) -> Iterator[str]:
    """Serves until the block ends; gives the address."""
    server, target = start_server(model, address, credentials)
    try:
        yield target
    finally:
        server.stop(0).wait()
        model.ended.set()


class Mortal:
    """A server at one unix socket that dies and comes back when a test says so.

    Args:
        model: What it serves.
        folder: Where the socket is: nobody else takes it meanwhile, as happens to a port.
    """

    def __init__(self, model: ContractServer, folder: Path) -> None:
        self.model = model
        self.address = f"unix:{folder / 'm.sock'}"
        self._server: grpc.Server | None = None
        self.starts = 0

    def __enter__(self) -> Mortal:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def start(self) -> None:
        """Listens, from now until it dies."""
        self.starts += 1
        self._server, _ = start_server(self.model, self.address)

    def die(self) -> None:
        """Breaks every connection and listens no more."""
        self.model.ended.set()
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None


def start_server(
    model: ContractServer, address: str, credentials: Any = None
) -> tuple[grpc.Server, str]:
    """A running server, and its address."""
    server = grpc.server(
        futures.ThreadPoolExecutor(4),
        options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers(
        (
            _service(
                "tensorflow.serving.PredictionService",
                Predict=(model.predict, wire.PredictRequest),
                GetModelMetadata=(model.get_metadata, wire.GetModelMetadataRequest),
            ),
            _service(
                "tensorflow.serving.ModelService",
                GetModelStatus=(model.get_status, wire.GetModelStatusRequest),
            ),
            _service("grpc.health.v1.Health", Check=(_healthy, wire.HealthCheckRequest)),
        )
    )
    port = (
        server.add_secure_port(address, credentials)
        if credentials
        else server.add_insecure_port(address)
    )
    model.ended.clear()
    server.start()
    return server, address if address.startswith("unix:") else f"localhost:{port}"


def _healthy(
    request: wire.HealthCheckRequest, context: grpc.ServicerContext
) -> wire.HealthCheckResponse:
    return wire.HealthCheckResponse(status=wire.HealthCheckResponse.SERVING)


def _service(name: str, **methods: tuple[Any, Any]) -> grpc.GenericRpcHandler:
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        method: grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=request.FromString,
            response_serializer=lambda m: m.SerializeToString(),
        )
        for method, (call, request) in methods.items()
    }
    return grpc.method_handlers_generic_handler(name, handlers)
