"""Arrays to TensorProto and back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from synthseg_serving.tensors import decode, encode
from tensorflow.core.framework import tensor_pb2, types_pb2

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 2), (2, 3, 4)])
def test_round_trip(dtype: str, packed: bool, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).uniform(-9, 9, shape).astype("i1").astype(dtype)
    proto = tensor_pb2.TensorProto.FromString(encode(array, packed).SerializeToString())
    for found in (decode(proto), tf.make_ndarray(proto) if array.size else decode(proto)):
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_reads_what_tensorflow_writes(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    np.testing.assert_array_equal(decode(tf.make_tensor_proto(array)), array)


def test_strings_round_trip() -> None:
    array = np.array([[b"left"], ["Großhirn".encode()]], object)
    for packed in (True, False):
        np.testing.assert_array_equal(decode(encode(array, packed)), array)


def test_missing_values_repeat_the_last_or_are_zero() -> None:
    proto = encode(np.zeros((2, 2), np.float32), packed=False)
    for values, expected in (([], [0, 0, 0, 0]), ([5], [5, 5, 5, 5]), ([1, 2], [1, 2, 2, 2])):
        del proto.float_val[:]
        proto.float_val.extend(values)
        assert decode(proto).ravel().tolist() == expected


@pytest.mark.parametrize(
    "change",
    [
        {"tensor_content": b"123"},
        {"dtype": types_pb2.DT_INVALID},
        {"dtype": types_pb2.DT_RESOURCE},
        {"float_val": [1] * 9},
    ],
)
def test_broken_tensors_are_refused(change: dict[str, object]) -> None:
    proto = encode(np.zeros((2, 2), np.float32), packed=False)
    del proto.float_val[:]
    proto.MergeFrom(tensor_pb2.TensorProto(**change))
    if change.get("dtype") == types_pb2.DT_INVALID:
        proto.dtype = types_pb2.DT_INVALID
    with pytest.raises((TypeError, ValueError)):
        decode(proto)


def test_unknown_rank_and_negative_sizes_are_refused() -> None:
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
    proto.tensor_shape.unknown_rank = True
    with pytest.raises(ValueError, match="unsupported"):
        decode(proto)
    proto.tensor_shape.unknown_rank = False
    proto.tensor_shape.dim.add(size=-1)
    with pytest.raises(ValueError, match="negative"):
        decode(proto)


def test_absurd_shape_without_data_allocates_nothing() -> None:
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1])
    for _ in range(3):
        proto.tensor_shape.dim.add(size=2**40)
    with pytest.raises((ValueError, MemoryError, OverflowError)):
        decode(proto)
