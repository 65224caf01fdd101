"""What a few bytes ask for is refused before anything is allocated for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from process_memory import peak_growth
from server_calls import TIMEOUT_S, Calls, Running
from stand_in import BegunRun
from synthseg_common import contract
from synthseg_common.memory import MemoryLimit, used_bytes
from synthseg_serving.budget import Budget, requested_grid
from synthseg_serving.errors import CallError
from synthseg_serving.servable import Servable
from synthseg_serving.versions import ModelConfig
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import predict_pb2
from typed import there

LARGEST = 2**31 - 1
IMAGE = np.random.default_rng(0).uniform(0, 100, (8, 8, 8)).astype(np.float32)
# An image of 8 voxels a side needs 0.1 GB at most; the least of these would take 40 GB.
NOTICED_MIB = 100
TOO_FAR = [
    [1024, 1024, 1024],
    [512, 512, 512],
    [1024, 2**31 - 1, 1024],
    [LARGEST] * 3,
    [LARGEST, 1, 1],
    [1, 1, 1025],
    [321, 320, 320],
    [32, 512, 544],
]
BELOW_ONE = [[0, 32, 32], [-1, 32, 32], [-1024, -1024, -1024], [-(2**31)] * 3, [-1, LARGEST, 1]]


@pytest.fixture(scope="module")
def servable(model_dir: Path) -> Servable:
    return Servable(model_dir / "1", 1, threads=2)


@pytest.mark.parametrize("min_size", TOO_FAR + BELOW_ONE, ids=str)
def test_graph_refuses_before_it_allocates(servable: Servable, min_size: list[int]) -> None:
    inputs = {"image": IMAGE, "min_size": np.array(min_size, np.int32), "flip": np.array(True)}
    inputs["smooth"] = np.array(True)
    signature = servable.signatures[contract.SEGMENT_SIGNATURE]
    for outputs in ([contract.LABELS], [contract.NETWORK_SHAPE]):
        with (
            peak_growth() as growth,
            pytest.raises(CallError, match=r"at most|1 or more") as error,
        ):
            servable.run(signature, inputs, outputs)
        assert error.value.code == "INVALID_ARGUMENT"
        assert growth.mib < NOTICED_MIB


def test_signature_refuses_where_tensorflow_itself_loads_the_model(model_dir: Path) -> None:
    signature = tf.saved_model.load(str(model_dir / "1")).signatures[contract.SEGMENT_SIGNATURE]
    with peak_growth() as growth:
        for min_size in TOO_FAR + BELOW_ONE:
            with pytest.raises(tf.errors.InvalidArgumentError):
                signature(
                    image=tf.constant(IMAGE),
                    min_size=tf.constant(min_size, tf.int32),
                    flip=tf.constant(True),
                    smooth=tf.constant(True),
                )
    assert growth.mib < NOTICED_MIB


def refused(call: Callable[[], object]) -> tuple[str, str, str]:
    """Code, message and reason of a refusal."""
    with pytest.raises(grpc.RpcError) as error:
        call()
    told = {datum.key: datum.value for datum in error.value.trailing_metadata()}
    reason = str(told.get(contract.REASON, ""))
    return error.value.code().name, error.value.details() or "", reason


@pytest.mark.parametrize("min_size", TOO_FAR, ids=str)
def test_server_refuses_what_the_model_does_not_take(served: Calls, min_size: list[int]) -> None:
    sizes = np.array(min_size, np.int32)
    with peak_growth() as growth:
        code, details, reason = refused(lambda: served.predict("", image=IMAGE, min_size=sizes))
    assert (code, reason) == ("INVALID_ARGUMENT", contract.TOO_LARGE)
    grid = list(contract.network_grid(IMAGE.shape, min_size))
    assert (
        f"32768000 voxels at most and 1024 per axis, image and min_size ask for {grid}" in details
    )
    assert growth.mib < NOTICED_MIB


@pytest.mark.parametrize("min_size", BELOW_ONE, ids=str)
def test_server_refuses_sizes_below_one(served: Calls, min_size: list[int]) -> None:
    sizes = np.array(min_size, np.int32)
    code, details, _ = refused(lambda: served.predict("", image=IMAGE, min_size=sizes))
    assert code == "INVALID_ARGUMENT"
    assert "min_size must be 1 or more" in details


def test_what_is_too_large_does_not_wait_for_its_turn(
    start: Callable[..., Running],
    model_dir: Path,
    synth_config: Callable[..., ModelConfig],
    synth_dir: Path,
    begin_long_run: Callable[[Calls, Path], BegunRun],
) -> None:
    segmenter = ModelConfig(name="synthseg", base_path=model_dir)
    running = start(synth_config(synth_dir), segmenter, waiting=5)
    run, future = begin_long_run(running.calls, synth_dir)
    calls = Calls(running.calls.channel, "synthseg")
    sizes = np.full(3, 1024, np.int32)
    assert refused(lambda: calls.predict("", image=IMAGE, min_size=sizes))[0] == "INVALID_ARGUMENT"
    assert not future.done()
    run.end()
    future.result()


def tensor(dtype: int, sizes: list[int], **values: object) -> tensor_pb2.TensorProto:
    proto = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return proto


DECLARED = {
    "one float for a billion": ("image", tensor(types_pb2.DT_FLOAT, [1000] * 3, float_val=[1])),
    "none for a billion": ("image", tensor(types_pb2.DT_FLOAT, [1000] * 3)),
    "beyond 64 bits": ("image", tensor(types_pb2.DT_FLOAT, [2**62] * 3, float_val=[1])),
    "other type": ("image", tensor(types_pb2.DT_STRING, [10**9], string_val=[b""])),
    "sizes": ("min_size", tensor(types_pb2.DT_INT32, [10**9], int_val=[1])),
    "switches": ("flip", tensor(types_pb2.DT_BOOL, [10**9], bool_val=[True])),
    "a million axes": ("image", tensor(types_pb2.DT_FLOAT, [2**62] * 1_000_000, float_val=[1])),
}


@pytest.mark.parametrize("name", DECLARED)
def test_shapes_that_a_few_values_fill_are_refused(served: Calls, name: str) -> None:
    key, proto = DECLARED[name]
    request = served.request("", image=IMAGE)
    request.inputs[key].CopyFrom(proto)
    with peak_growth() as growth:
        code, _, _ = refused(lambda: served.prediction.Predict(request, timeout=TIMEOUT_S))
    assert code == "INVALID_ARGUMENT"
    assert growth.mib < NOTICED_MIB + 10 * request.ByteSize() / 2**20


def test_model_without_a_budget_takes_what_a_message_holds(packed: Calls) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "synth"
    request.inputs["image"].CopyFrom(tensor(types_pb2.DT_FLOAT, [1000] * 3, float_val=[1]))
    with peak_growth() as growth:
        code, details, _ = refused(lambda: packed.prediction.Predict(request, timeout=TIMEOUT_S))
    assert (code, "image has 1000000000 elements" in details) == ("INVALID_ARGUMENT", True)
    assert growth.mib < NOTICED_MIB


def test_budget_of_the_export_is_the_last_grid_that_is_answered(cube_dir: Path) -> None:
    servable = Servable(cube_dir / "1", 1, threads=2)
    assert servable.budget.max_voxels == 128**3
    signature = servable.signatures[contract.SEGMENT_SIGNATURE]

    def grid(*min_size: int) -> list[int]:
        sizes = np.array(min_size, np.int32)
        inputs = {"image": IMAGE, "min_size": sizes, "flip": np.array(False)}
        answer = servable.run(signature, inputs, [contract.NETWORK_SHAPE])
        return [int(size) for size in answer[contract.NETWORK_SHAPE]]

    assert grid(128, 128, 128) == [128, 128, 128]
    assert grid(256, 64, 128) == [256, 64, 128]
    assert grid(32, 64, 256) == [32, 64, 256]
    # A grid of 32 along x takes what one of 128 does.
    for above in ((129, 128, 128), (128, 128, 160), (288, 64, 128), (32, 160, 128)):
        with pytest.raises(CallError, match="2097152 voxels at most"):
            grid(*above)


def test_model_tells_its_budget(served: Calls, model_dir: Path) -> None:
    info = json.loads(served.predict(contract.DESCRIBE_SIGNATURE)[contract.MODEL_INFO].item())
    assert info["max_voxels"] == contract.DEFAULT_MAX_VOXELS == 320**3
    assert 300 < info["bytes_per_voxel"] < 500
    assert Servable(model_dir / "1", 1, threads=1).budget == Budget(
        info["max_voxels"], info["bytes_per_voxel"]
    )


@pytest.mark.parametrize("text", [b"", b"[]", b'"x"', b"{", b'{"max_voxels": "many"}', b"\xff"])
def test_model_that_says_nothing_of_use_has_no_budget(text: bytes) -> None:
    assert Budget.from_info(text) == Budget()


def test_memory_that_a_request_takes_and_the_server_has_not_is_told(
    start: Callable[..., Running], model_dir: Path
) -> None:
    limit = MemoryLimit(used_bytes() + 600 * 2**20, "as this test says")
    calls = start(ModelConfig(name="synthseg", base_path=model_dir), memory=limit).calls
    sizes = np.full(3, 160, np.int32)
    with peak_growth() as growth:
        code, details, reason = refused(lambda: calls.predict("", image=IMAGE, min_size=sizes))
    assert (code, reason) == ("RESOURCE_EXHAUSTED", contract.TOO_LARGE)
    cost = f"{4096000 * 317 / 2**30:.1f} GiB of memory (317 bytes a voxel)"
    assert f"a network grid of 4096000 voxels takes about {cost}" in details
    assert "(as this test says)" in details
    assert growth.mib < NOTICED_MIB
    small = np.full(3, 32, np.int32)
    assert calls.predict("", (contract.LABELS,), image=IMAGE, min_size=small)


def test_request_that_is_no_segmentation_asks_for_no_grid() -> None:
    image, sizes = np.ones((8, 9, 33), np.float32), np.full(3, 32, np.int32)
    assert there(requested_grid({"image": image, "min_size": sizes})).shape == (32, 32, 64)
    for wrong in (
        {"image": image},
        {"image": image[0], "min_size": sizes},
        {"image": image, "min_size": sizes[:2]},
        {"image": image[:0], "min_size": sizes},
        {"image": image, "min_size": -sizes},
    ):
        assert requested_grid(wrong) is None
