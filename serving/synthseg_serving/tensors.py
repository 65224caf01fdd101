"""Arrays to TensorProto and back, packed or as typed fields, as TensorFlow Serving does it."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from synthseg_common.arrays import AnyArray
from tensorflow.core.framework import tensor_pb2

_TYPED_FIELDS = {
    tf.float16: "half_val",
    tf.bfloat16: "half_val",
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int8: "int_val",
    tf.int16: "int_val",
    tf.int32: "int_val",
    tf.uint8: "int_val",
    tf.uint16: "int_val",
    tf.int64: "int64_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
}
_AS_BITS = (tf.float16, tf.bfloat16)
_LARGEST_RANK = 254
"""TensorFlow's; the product of a million sizes would take minutes."""


def decode(proto: tensor_pb2.TensorProto) -> AnyArray:
    """Reads a tensor.

    Fewer typed values than elements repeat the last one, none at all stand for zeros, as in
    TensorFlow.

    Raises:
        ValueError: Type, shape or data are no tensor.
    """
    dtype, count = _type_of(proto), element_count(proto)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_content and dtype != tf.string:
        # frombuffer refuses a wrong number of bytes by way of reshape.
        return np.frombuffer(proto.tensor_content, dtype.as_numpy_dtype).reshape(shape)
    return _typed(proto, dtype, count).reshape(shape)


def element_count(proto: tensor_pb2.TensorProto) -> int:
    """Elements of a tensor, as its shape says.

    Raises:
        ValueError: The shape is none.
    """
    if proto.tensor_shape.unknown_rank or len(proto.tensor_shape.dim) > _LARGEST_RANK:
        raise ValueError("unsupported shape")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if min(sizes, default=0) < 0:
        raise ValueError("negative size")
    return math.prod(sizes)


def element_bytes(proto: tensor_pb2.TensorProto) -> int:
    """Bytes that an element takes here; of strings, what a reference to one takes.

    Raises:
        ValueError: The type is none.
    """
    dtype = _type_of(proto)
    return np.dtype(object).itemsize if dtype == tf.string else int(dtype.size)


def encode(array: AnyArray, packed: bool) -> tensor_pb2.TensorProto:
    """Writes a tensor.

    Args:
        array: What a session answered.
        packed: Raw bytes in `tensor_content`, which is about 100 times faster to read, or one field
            per value. Strings always take fields.
    """
    array = np.asarray(array)
    dtype = tf.string if array.dtype.kind in "OSU" else tf.dtypes.as_dtype(array.dtype)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if dtype == tf.string:
        proto.string_val.extend(tf.compat.as_bytes(text) for text in array.ravel())
    elif packed:
        proto.tensor_content = array.tobytes()
    else:
        flat = array.ravel()
        values = flat.view(np.uint16) if dtype in _AS_BITS else flat
        getattr(proto, _TYPED_FIELDS[dtype]).extend(values.tolist())
    return proto


def _type_of(proto: tensor_pb2.TensorProto) -> tf.DType:
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
    except TypeError as error:
        raise ValueError("unknown type") from error
    if dtype not in _TYPED_FIELDS:
        raise ValueError("unsupported type")
    return dtype


def _typed(proto: tensor_pb2.TensorProto, dtype: tf.DType, count: int) -> AnyArray:
    values = getattr(proto, _TYPED_FIELDS[dtype])
    if len(values) > count:
        raise ValueError("more values than elements")
    if dtype == tf.string:
        filled = list(values) + [values[-1] if values else b""] * (count - len(values))
        return np.array(filled, object)
    if dtype in _AS_BITS:
        found = np.array(values, np.uint16).view(dtype.as_numpy_dtype)
    else:
        found = np.array(values, dtype.as_numpy_dtype)
    last = found[-1] if len(found) else 0
    rest = np.full(count - len(found), last, dtype.as_numpy_dtype)
    return np.concatenate([found, rest]) if len(rest) else found
