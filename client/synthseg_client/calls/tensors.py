"""Arrays to messages and back, packed or as typed fields.

TensorFlow Serving answers in typed fields (`int_val`, `half_val`, ...) unless it is told to pack
values, so both are read; requests are packed, which is about a hundred times faster to write.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from synthseg_common.arrays import AnyArray, AnyDType

from synthseg_client import messages_pb2 as wire
from synthseg_client.errors import AnswerError

_DTYPES: dict[wire.DataType, tuple[AnyDType, str]] = {
    wire.DT_FLOAT: (np.dtype("<f4"), "float_val"),
    wire.DT_DOUBLE: (np.dtype("<f8"), "double_val"),
    wire.DT_HALF: (np.dtype("<f2"), "half_val"),
    wire.DT_INT8: (np.dtype("<i1"), "int_val"),
    wire.DT_INT16: (np.dtype("<i2"), "int_val"),
    wire.DT_INT32: (np.dtype("<i4"), "int_val"),
    wire.DT_INT64: (np.dtype("<i8"), "int64_val"),
    wire.DT_UINT8: (np.dtype("<u1"), "int_val"),
    wire.DT_UINT16: (np.dtype("<u2"), "int_val"),
    wire.DT_UINT32: (np.dtype("<u4"), "uint32_val"),
    wire.DT_UINT64: (np.dtype("<u8"), "uint64_val"),
    wire.DT_BOOL: (np.dtype("?"), "bool_val"),
}
_NUMBERS = {dtype: number for number, (dtype, _) in _DTYPES.items()}
_LARGEST_MESSAGE_BYTES = 2**31 - 1
_MOST_AXES = 64
"""What NumPy takes."""
_LENGTH_BITS = 63


def to_message(array: ArrayLike) -> wire.Tensor:
    """Packs an array of numbers, truth values or strings.

    Args:
        array: Any shape; strings as `str` or `bytes`.

    Raises:
        TypeError: The element type has no counterpart on the wire.
    """
    values = np.asarray(array)
    message = wire.Tensor()
    for size in values.shape:
        message.tensor_shape.dim.add(size=size)
    if values.dtype.kind in "USO":
        message.dtype = wire.DT_STRING
        message.string_val.extend(
            v.encode() if isinstance(v, str) else bytes(v) for v in values.ravel().tolist()
        )
        return message
    number = _NUMBERS.get(values.dtype.newbyteorder("<"))
    if number is None:
        raise TypeError(f"cannot send {values.dtype} to a model server.")
    message.dtype = number
    message.tensor_content = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return message


def from_message(message: wire.Tensor, name: str = "tensor", most: int | None = None) -> AnyArray:
    """Reads a tensor, however the server chose to write it.

    Args:
        message: As it arrived.
        name: What to call it in errors.
        most: For how many values those that were sent may stand, where trailing ones were left out;
            by default for as many as a message holds.

    Returns:
        The values; strings as `bytes` in an object array. Read-only where memory is shared with the
        message.

    Raises:
        AnswerError: Type unknown, or the number of values does not fit the shape.
    """
    shape = _shape_of(message, name)
    if message.dtype == wire.DT_STRING:
        packed = message.tensor_content
        strings = _unpack_strings(packed, math.prod(shape), name) if packed else message.string_val
        return _fill(strings, np.dtype(object), shape, name, most)
    if message.dtype not in _DTYPES:
        raise AnswerError(
            f"{name} arrived with element type {message.dtype}, which this client cannot read."
        )
    dtype, field = _DTYPES[message.dtype]
    if message.tensor_content:
        return _unpack(message.tensor_content, dtype, shape, name)
    values = getattr(message, field)
    if message.dtype == wire.DT_HALF:  # the field holds the sixteen bits, one number each
        values = np.asarray(values, np.uint16).view(dtype)
    return _fill(values, dtype, shape, name, most)


def _shape_of(message: wire.Tensor, name: str) -> tuple[int, ...]:
    """The shape that a server declares, if an array can have it."""
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    if message.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise AnswerError(f"{name} arrived without a definite shape: {shape}.")
    if len(shape) > _MOST_AXES or math.prod(filter(None, shape)) > _LARGEST_MESSAGE_BYTES:
        raise AnswerError(f"{name} arrived with a shape that no message can stand for: {shape}.")
    return shape


def _unpack(content: bytes, dtype: AnyDType, shape: tuple[int, ...], name: str) -> AnyArray:
    expected = math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise AnswerError(f"{name} {shape} arrived with {len(content)} bytes, expected {expected}.")
    return np.frombuffer(content, dtype).reshape(shape)


def _unpack_strings(content: bytes, count: int, name: str) -> list[bytes]:
    """Strings as a server packs them: all lengths as varints of 7 bits, then all bytes."""
    lengths, place = [], 0
    for _ in range(count):
        length, shift, more = 0, 0, True
        while more:
            if place >= len(content) or shift > _LENGTH_BITS:
                raise AnswerError(f"{name} arrived with packed strings cut short or without end.")
            length |= (content[place] & 0x7F) << shift
            more, shift, place = content[place] > 0x7F, shift + 7, place + 1
        lengths.append(length)
    if place + sum(lengths) != len(content):
        found = len(content) - place
        raise AnswerError(f"{name} arrived with {found} bytes of strings, not {sum(lengths)}.")
    ends = list(itertools.accumulate(lengths, initial=place))
    return [content[start:end] for start, end in itertools.pairwise(ends)]


def _fill(
    values: Sequence[Any], dtype: AnyDType, shape: tuple[int, ...], name: str, most: int | None
) -> AnyArray:
    """Values of a typed field; trailing repetitions of the last value may be left out.

    So a few bytes stand for any number of values: for as many as somebody can want.
    """
    count = math.prod(shape)
    if len(values) > count or (count and not len(values)):
        raise AnswerError(f"{name} {shape} arrived with {len(values)} values, expected {count}.")
    limit = _LARGEST_MESSAGE_BYTES // dtype.itemsize if most is None else most
    if count > max(limit, len(values)):
        raise AnswerError(
            f"{name} {shape} arrived with {len(values)} values that stand for {count}, expected "
            f"{limit} at most."
        )
    filled = np.empty(count, dtype)
    filled[: len(values)] = values
    if len(values) < count:
        filled[len(values) :] = values[-1]
    return filled.reshape(shape)
