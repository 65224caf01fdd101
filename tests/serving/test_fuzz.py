"""Requests by chance: the server lives, says whose fault it was, and does not grow."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from process_memory import peak_growth
from server_calls import Calls, Running, send_bytes
from synthseg_common import contract
from synthseg_common.arrays import AnyArray
from synthseg_serving.versions import ModelConfig
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

# More than the largest grid of the model takes on a busy machine.
DEADLINE_S = 300
# The largest grid that the model takes needs some 700 MiB; what comes after the first finds them.
GROWTH_MIB = 300
EXPECTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
}
FEW, MANY = 40, 1500
PREDICT = "/tensorflow.serving.PredictionService/Predict"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
HEALTH = "/grpc.health.v1.Health/Check"


class Target:
    """A server for the fuzz alone, with the messages that it answers and its way back."""

    def __init__(self, calls: Calls, folder: Path, socket_path: str) -> None:
        self.calls = calls
        self.socket_path = socket_path
        self.entry = {"name": "synthseg", "base_path": str(folder), "model_platform": "tensorflow"}
        self.good = {
            PREDICT: self.request().SerializeToString(),
            METADATA: self._named(
                get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
            ),
            STATUS: self._named(get_model_status_pb2.GetModelStatusRequest()),
            RELOAD: self._reload(),
            HEALTH: b"\x0a\x0cModelService",
        }

    def request(self) -> predict_pb2.PredictRequest:
        image = np.random.default_rng(0).uniform(0, 100, (6, 7, 8)).astype(np.float32)
        sizes = np.full(3, 32, np.int32)
        return self.calls.request(
            "", (contract.LABELS,), image=image, min_size=sizes, flip=np.array(False)
        )

    def send(self, method: str, data: bytes) -> grpc.StatusCode:
        """The code of the answer to these bytes."""
        try:
            send_bytes(self.calls.channel, method, data, DEADLINE_S)
        except grpc.RpcError as error:
            return error.code()
        if method == RELOAD:  # what was understood may have put every model away
            self.calls.reload(self.entry)
        return grpc.StatusCode.OK

    def is_well(self) -> bool:
        """Whether a good request is answered."""
        answer = self.calls.prediction.Predict(self.request(), timeout=DEADLINE_S)
        labels: AnyArray = tf.make_ndarray(answer.outputs[contract.LABELS])
        return labels.shape == (6, 7, 8)

    def _named(self, message: get_model_status_pb2.GetModelStatusRequest) -> bytes:
        message.model_spec.name = "synthseg"
        return bytes(message.SerializeToString())

    def _reload(self) -> bytes:
        config = model_server_config_pb2.ModelServerConfig()
        config.model_config_list.config.add(**self.entry)
        return bytes(model_management_pb2.ReloadConfigRequest(config=config).SerializeToString())


@pytest.fixture(scope="module")
def target(start: Callable[..., Running], cube_dir: Path) -> Target:
    running = start(ModelConfig(name="synthseg", base_path=cube_dir))
    # The largest request first: memory that it took stays with the process.
    largest = np.full(3, 128, np.int32)
    image = np.random.default_rng(0).uniform(0, 100, (8, 8, 8)).astype(np.float32)
    running.calls.predict("", image=image, min_size=largest)
    return Target(running.calls, cube_dir, running.server.addresses[0].removeprefix("unix:"))


@contextlib.contextmanager
def unharmed(target: Target, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The server is as before afterwards, and nothing surprised it meanwhile."""
    caplog.set_level(logging.INFO)
    with peak_growth() as growth:
        yield
    assert target.is_well()
    assert growth.mib < GROWTH_MIB
    assert [r.getMessage() for r in caplog.records if r.exc_info] == []


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """A message with bytes overwritten, mostly; or pieces cut out or doubled."""
    for _ in range(draw(st.integers(1, 2))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 6))
        piece = data[at : at + length]
        other = st.binary(min_size=len(piece), max_size=len(piece))
        new = draw(st.one_of(other, other, other, st.just(b""), st.just(piece * 2)))
        data = data[:at] + new + data[at + length :]
    return data


SIZES = st.one_of(
    st.integers(0, 12), st.sampled_from([31, 33, 1024, 1025, 2**31 - 1, 2**31, 2**62]),
    st.integers(-(2**63), 2**63 - 1),
)  # fmt: skip
INT32 = st.one_of(
    st.integers(-2, 140), st.sampled_from([1024, 2**31 - 1, -(2**31)]),
    st.integers(-(2**31), 2**31 - 1),
)  # fmt: skip


@st.composite
def tensors(draw: st.DrawFn) -> tensor_pb2.TensorProto:
    """Any tensor: type, shape and values need not go together."""
    proto = tensor_pb2.TensorProto(
        dtype=draw(st.sampled_from([*types_pb2.DataType.values(), 999])),
        tensor_content=draw(st.one_of(st.just(b""), st.binary(max_size=48))),
        float_val=draw(st.lists(st.floats(width=32), max_size=3)),
        int_val=draw(st.lists(INT32, max_size=4)),
        bool_val=draw(st.lists(st.booleans(), max_size=2)),
        string_val=draw(st.lists(st.binary(max_size=4), max_size=2)),
    )
    for size in draw(st.lists(SIZES, max_size=5)):
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_shape.unknown_rank = draw(st.integers(0, 9)) == 0
    return proto


@st.composite
def images(draw: st.DrawFn) -> tensor_pb2.TensorProto:
    """A tensor that is nearly an image: few values, any three sizes."""
    values = st.floats(width=32, allow_nan=draw(st.booleans()), allow_infinity=draw(st.booleans()))
    proto = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_FLOAT, float_val=draw(st.lists(values, max_size=4))
    )
    few = st.integers(1, 12)
    for size in draw(st.lists(st.one_of(few, few, few, SIZES), min_size=3, max_size=3)):
        proto.tensor_shape.dim.add(size=size)
    return proto


@st.composite
def requests(draw: st.DrawFn, target: Target) -> bytes:
    """A request to segment in which something is another than it should be."""
    request = target.request()
    if draw(st.booleans()):
        request.inputs[contract.IMAGE].CopyFrom(draw(images()))
    if draw(st.booleans()):
        sizes = np.array(draw(st.lists(INT32, min_size=3, max_size=3)), np.int32)
        request.inputs[contract.MIN_SIZE].CopyFrom(tf.make_tensor_proto(sizes))
    if draw(st.integers(0, 3)) == 0:
        name = st.sampled_from([contract.IMAGE, contract.MIN_SIZE, contract.FLIP, "other", ""])
        request.inputs[draw(name)].CopyFrom(draw(tensors()))
    del request.output_filter[:]
    names = [contract.LABELS, *contract.EVIDENCE, contract.POSTERIORS]
    request.output_filter.extend(draw(st.lists(st.sampled_from(names), unique=True)))
    if draw(st.integers(0, 9)) == 0:
        request.output_filter.append(draw(st.sampled_from([contract.LABELS, "other", ""])))
    other = st.sampled_from([contract.DESCRIBE_SIGNATURE, "x" * 99])
    segment = st.just(contract.SEGMENT_SIGNATURE)
    request.model_spec.signature_name = draw(st.one_of(segment, segment, segment, other))
    return bytes(request.SerializeToString())


def check_bytes(target: Target, examples: int) -> None:
    @given(st.data(), st.sampled_from(sorted(target.good)))
    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def run(data: st.DataObject, method: str) -> None:
        message = data.draw(st.one_of(st.binary(max_size=64), damaged(target.good[method])))
        assert target.send(method, message) in EXPECTED

    run()


def check_tensors(target: Target, examples: int) -> None:
    @given(requests(target))
    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def run(message: bytes) -> None:
        assert target.send(PREDICT, message) in EXPECTED

    run()


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("check", [check_bytes, check_tensors])
def test_requests_by_chance_harm_nothing(
    check: Callable[[Target, int], None],
    examples: int,
    target: Target,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with unharmed(target, caplog):
        check(target, examples)


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_bytes_that_are_no_connection_harm_nothing(
    examples: int, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    @given(st.binary(max_size=200), st.booleans())
    @settings(max_examples=examples, derandomize=True, deadline=None, database=None)
    def run(data: bytes, begins_well: bool) -> None:
        with socket.socket(socket.AF_UNIX) as caller, contextlib.suppress(OSError):
            caller.connect(target.socket_path)
            caller.sendall(preface * begins_well + data)

    with unharmed(target, caplog):
        run()
