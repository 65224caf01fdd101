"""PredictionService of TF Serving: Predict and GetModelMetadata; the rest is UNIMPLEMENTED."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, Protocol

import grpc
import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.arrays import AnyArray
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from synthseg_serving.admission import Admission, Need, Visit
from synthseg_serving.budget import LARGEST_MESSAGE_BYTES, Budget, Room, requested_grid
from synthseg_serving.errors import CallError, out_of_time
from synthseg_serving.manager import ModelManager
from synthseg_serving.servable import Servable
from synthseg_serving.tensors import decode, encode
from synthseg_serving.watching.calls import note, stage

log = logging.getLogger(__name__)

SIGNATURE_FIELD = "signature_def"
_LONGEST_MESSAGE = 1024
# What was computed, the message made of it, and its bytes.
_ANSWER_COPIES = 3
_NO_DEADLINE_S = 30 * 24 * 3600.0
_TYPE_NAMES = {tf.float32: "float", tf.float64: "double", tf.float16: "half"}


@dataclass(frozen=True, kw_only=True)
class AnswerLimits:
    """How answers are written.

    Attributes:
        packed: Raw bytes rather than one field per value.
        largest_bytes: Answers above are refused.
    """

    packed: bool = True
    largest_bytes: int = LARGEST_MESSAGE_BYTES


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]  # TensorFlow ships no types
    """Answers predictions, one at a time."""

    def __init__(self, manager: ModelManager, admission: Admission, limits: AnswerLimits) -> None:
        """Takes the parts that it works with."""
        self._manager = manager
        self._admission = admission
        self._limits = limits
        self.room = Room()
        """Memory for requests; known when the models are loaded."""

    def Predict(  # noqa: N802
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Computes outputs of a signature."""
        try:
            check_spec(request)
            with self._manager.acquire(request.model_spec) as servable:
                return self._predict(servable, request, context)
        except CallError as error:
            refuse(context, error)
        except MemoryError:
            message = "the server has not enough memory for this request."
            refuse(context, CallError("RESOURCE_EXHAUSTED", message, contract.TOO_LARGE))

    def GetModelMetadata(  # noqa: N802
        self,
        request: get_model_metadata_pb2.GetModelMetadataRequest,
        context: grpc.ServicerContext,
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Answers the signatures of a version."""
        try:
            return self._metadata(request)
        except CallError as error:
            refuse(context, error)

    def _not_served(self, request: object, context: grpc.ServicerContext) -> NoReturn:
        """Without a traceback in the log, which what is inherited would leave."""
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED, "only Predict and GetModelMetadata are served here"
        )
        raise AssertionError("abort does not return")

    Classify = Regress = MultiInference = _not_served

    def _predict(
        self,
        servable: Servable,
        request: predict_pb2.PredictRequest,
        context: grpc.ServicerContext,
    ) -> predict_pb2.PredictResponse:
        name = request.model_spec.signature_name or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        if name not in servable.signatures:
            message = f'Serving signature key "{name}" not found.'
            raise CallError("FAILED_PRECONDITION", message)
        signature = servable.signatures[name]
        note(model=request.model_spec.name, version=servable.version, signature=name)
        with stage("decode"):
            inputs = read_inputs(signature, request, servable.budget)
        note(voxels=int(np.size(inputs.get(contract.IMAGE, ()))))
        outputs = choose_outputs(signature, list(request.output_filter))
        room = self.room.beside(self._manager.held_bytes())
        grid = requested_grid(inputs)
        servable.budget.check_grid(grid, room)
        deadline = _deadline(context)
        if signature.inputs:
            need = Need(request.ByteSize(), servable.budget.run_bytes(grid), room.size_bytes)
            with ExitStack() as held:
                with stage("queue"):
                    visit = held.enter_context(self._turn(need, context, deadline))
                started = time.perf_counter()
                with stage("predict"):
                    values = servable.run(signature, inputs, outputs, _remaining(deadline))
                took_s = time.perf_counter() - started
                visit.answer_bytes = _ANSWER_COPIES * _size(values)
            # Voxels only: nothing of a scan that could name a patient.
            sizes = {key: value.shape for key, value in inputs.items() if value.ndim}
            log.info("%s:%d ran for %.3f s on %s", name, servable.version, took_s, sizes)
        else:
            # Constants, as a label table: not worth a place in the queue.
            with stage("predict"):
                values = servable.run(signature, inputs, outputs, _remaining(deadline))
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = name
        with stage("encode"):
            self._write(values, response)
        return response

    @contextmanager
    def _turn(
        self, need: Need, context: grpc.ServicerContext, deadline: float | None
    ) -> Iterator[Visit]:
        """Waits for a request's turn; what it holds counts until gRPC is done with it."""
        visit = self._admission.arrive(need)
        if not context.add_callback(partial(self._admission.leave, visit)):
            self._admission.leave(visit)  # done with it already: its caller is gone
        with self._admission.turn(visit, deadline, context.is_active):
            yield visit

    def _write(self, values: dict[str, AnyArray], response: predict_pb2.PredictResponse) -> None:
        size = _size(values)
        note(answer_bytes=size)
        if size > self._limits.largest_bytes:
            raise CallError(
                "OUT_OF_RANGE",
                f"the answer has {size} bytes, a message holds {self._limits.largest_bytes}; ask "
                "for fewer outputs (output_filter) or a smaller volume.",
                contract.TOO_LARGE,
            )
        for key in list(values):
            response.outputs[key].CopyFrom(encode(values.pop(key), self._limits.packed))

    def _metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        check_spec(request)
        if not request.metadata_field:
            raise CallError(
                "INVALID_ARGUMENT",
                "GetModelMetadataRequest must specify at least one metadata_field",
            )
        for name in request.metadata_field:
            if name != SIGNATURE_FIELD:
                raise CallError("INVALID_ARGUMENT", f"Metadata field {name} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._manager.acquire(request.model_spec) as servable:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in servable.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = servable.version
            response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response


class NamesModel(Protocol):
    """A request of TF Serving about a model."""

    model_spec: model_pb2.ModelSpec

    def HasField(self, name: str) -> bool:  # noqa: N802
        """Whether a field was sent."""


def check_spec(request: NamesModel) -> None:
    """Refuses a request that names no model.

    Raises:
        CallError: Code and message are TF Serving's.
    """
    if not request.HasField("model_spec"):
        raise CallError("INVALID_ARGUMENT", "Missing ModelSpec")
    if not request.model_spec.name:
        raise CallError("INVALID_ARGUMENT", "ModelSpec has no name specified.")


def refuse(context: grpc.ServicerContext, error: CallError) -> NoReturn:
    """Ends a call with an error; long messages are cut as TF Serving cuts them."""
    message = error.message
    told = [(contract.REASON, error.reason)] if error.reason else []
    if error.retry_after_s is not None:
        told.append((contract.RETRY_AFTER, str(round(1000 * error.retry_after_s))))
    context.set_trailing_metadata(tuple(told))
    if len(message) > _LONGEST_MESSAGE:
        message = message[:_LONGEST_MESSAGE] + "...TRUNCATED"
    context.abort(grpc.StatusCode[error.code], message)
    raise AssertionError("abort does not return")


def read_inputs(
    signature: meta_graph_pb2.SignatureDef, request: predict_pb2.PredictRequest, budget: Budget
) -> dict[str, AnyArray]:
    """Reads a request's inputs and fills in the signature's defaults.

    Raises:
        CallError: Names, data or types do not fit; messages are TF Serving's.
    """
    sent, expected = set(request.inputs), set(signature.inputs)
    if len(sent) > len(expected) or (len(sent) < len(expected) and not signature.defaults):
        raise CallError("INVALID_ARGUMENT", _count_message(sent, expected))
    values = {}
    for position, key in enumerate(sorted(expected)):
        if key in request.inputs:
            budget.check_declared(key, request.inputs[key])
        value = _read_input(signature, request, key)
        given = tf.dtypes.as_dtype(value.dtype) if value.dtype.kind != "O" else tf.string
        wanted = tf.dtypes.as_dtype(signature.inputs[key].dtype)
        if given != wanted:
            raise CallError(
                "INVALID_ARGUMENT",
                f"Expects arg[{position}] to be {_type_name(wanted)} but {_type_name(given)} is "
                "provided",
            )
        values[key] = value
    if sent - expected:
        used, all_sent = ",".join(sorted(sent & expected)), ",".join(sorted(sent))
        message = (
            f"Inputs contains invalid name. Used request inputs: {used}, request input: {all_sent}"
        )
        raise CallError("INVALID_ARGUMENT", message)
    return values


def choose_outputs(signature: meta_graph_pb2.SignatureDef, asked: list[str]) -> list[str]:
    """The outputs that a request wants, all of them where it names none.

    Raises:
        CallError: A name is unknown or repeated; messages are TF Serving's.
    """
    seen: set[str] = set()
    for name in asked:
        if name not in signature.outputs:
            known = ",".join(sorted(signature.outputs))
            raise CallError(
                "INVALID_ARGUMENT",
                f"output tensor alias not found in signature: {name} Outputs expected to be in "
                f"the set {{{known}}}.",
            )
        if name in seen:
            raise CallError("INVALID_ARGUMENT", f"duplicate output tensor alias: {name}")
        seen.add(name)
    return asked or sorted(signature.outputs)


def _read_input(
    signature: meta_graph_pb2.SignatureDef, request: predict_pb2.PredictRequest, key: str
) -> AnyArray:
    if key in request.inputs:
        try:
            return decode(request.inputs[key])
        except (TypeError, ValueError, OverflowError) as error:
            raise CallError("INVALID_ARGUMENT", f"tensor parsing error: {key}") from error
    if key in signature.defaults:
        return decode(signature.defaults[key])
    sent, defaults = ",".join(sorted(request.inputs)), ",".join(sorted(signature.defaults))
    raise CallError(
        "INVALID_ARGUMENT",
        f"Signature input alias: {key}(feed name: {signature.inputs[key].name}) not found in "
        "request and no default value provided. Inputs expected to be in the request "
        f"{{{sent}}}, or default input alias set: {defaults}",
    )


def _count_message(sent: set[str], expected: set[str]) -> str:
    def names(keys: set[str]) -> str:
        return "{" + ",".join(sorted(keys)) + "}"

    return (
        f"input size does not match signature: {len(sent)}!={len(expected)} len({names(sent)}) != "
        f"len({names(expected)}). Sent extra: {names(sent - expected)}. Missing but required: "
        f"{names(expected - sent)}."
    )


def _type_name(dtype: tf.DType) -> str:
    return _TYPE_NAMES.get(dtype) or str(dtype.name)


def _size(values: Mapping[str, AnyArray]) -> int:
    return sum(value.nbytes for value in values.values())


def _deadline(context: grpc.ServicerContext) -> float | None:
    remaining = context.time_remaining()
    # Without a deadline gRPC says None, or some hundred years.
    if remaining is None or remaining > _NO_DEADLINE_S:
        return None
    return time.monotonic() + remaining


def _remaining(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise out_of_time()
    return remaining
