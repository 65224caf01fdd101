from __future__ import annotations

import numpy as np
import pytest
from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.tensors import from_message, to_message
from synthseg_client.errors import AnswerError

DTYPES = ["f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
FIELDS = {
    "f4": "float_val",
    "f8": "double_val",
    "i1": "int_val",
    "i2": "int_val",
    "i4": "int_val",
    "i8": "int64_val",
    "u1": "int_val",
    "u2": "int_val",
    "u4": "uint32_val",
    "u8": "uint64_val",
    "?": "bool_val",
}
VALUES = np.array([[0, 1, 2], [3, 100, 7]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_packed_arrays_come_back(dtype: str) -> None:
    array = VALUES.astype(dtype)
    found = from_message(to_message(array))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_typed_fields_are_read_like_packed_arrays(dtype: str) -> None:
    array = VALUES.astype(dtype)
    message = to_message(array)
    message.ClearField("tensor_content")
    if dtype == "f2":
        message.half_val.extend(array.view(np.uint16).ravel().tolist())
    else:
        getattr(message, FIELDS[dtype]).extend(array.ravel().tolist())
    np.testing.assert_array_equal(from_message(message), array)


def test_strings_come_back_as_bytes() -> None:
    found = from_message(to_message(np.array(["left", "grün"])))
    assert found.tolist() == [b"left", "grün".encode()]
    assert from_message(to_message(np.array("one"))).item() == b"one"


def _packed_strings(content: bytes, count: int) -> wire.Tensor:
    message = wire.Tensor(dtype=wire.DT_STRING, tensor_content=content)
    message.tensor_shape.dim.add(size=count)
    return message


def test_packed_strings_come_back_as_bytes() -> None:
    content = bytes([3, 0, 0xC8, 0x01]) + b"abc" + b"x" * 200
    assert from_message(_packed_strings(content, 3)).tolist() == [b"abc", b"", b"x" * 200]


@pytest.mark.parametrize("content", [b"\x05abc", b"\x02abc", b"\xff"])
def test_packed_strings_that_do_not_fit_are_refused(content: bytes) -> None:
    with pytest.raises(AnswerError, match="strings"):
        from_message(_packed_strings(content, 1))


def test_the_last_value_stands_for_those_left_out() -> None:
    message = wire.Tensor(dtype=wire.DT_FLOAT, float_val=[1, 2])
    message.tensor_shape.dim.add(size=5)
    assert from_message(message).tolist() == [1, 2, 2, 2, 2]


def test_empty_arrays_come_back() -> None:
    assert from_message(to_message(np.zeros((0, 3), np.float16))).shape == (0, 3)


def test_arrays_in_any_memory_order_arrive_in_theirs() -> None:
    array = np.asfortranarray(np.arange(24, dtype=">f4").reshape(2, 3, 4))
    np.testing.assert_array_equal(from_message(to_message(array)), array)


@pytest.mark.parametrize("change", ["short", "long", "none", "type", "rank"])
def test_tensors_that_contradict_themselves_are_refused(change: str) -> None:
    message = to_message(VALUES.astype("f4"))
    if change == "short":
        message.tensor_content = message.tensor_content[:-1]
    elif change == "long":
        message.ClearField("tensor_content")
        message.float_val.extend(range(7))
    elif change == "none":
        message.ClearField("tensor_content")
    elif change == "type":
        message.MergeFromString(b"\x08\x0e")  # element type 14, which we do not know
    else:
        message.tensor_shape.unknown_rank = True
    with pytest.raises(AnswerError, match="evidence"):
        from_message(message, "evidence")


@pytest.mark.parametrize(
    ("dtype", "field", "shape"),
    [
        (wire.DT_FLOAT, "float_val", (2**20, 2**20)),
        (wire.DT_FLOAT, "float_val", (2**62,)),
        (wire.DT_HALF, "half_val", (2**31,)),
        (wire.DT_STRING, "string_val", (2**31,)),
    ],
)
def test_one_value_stands_for_no_more_than_a_message_could_hold(
    dtype: wire.DataType, field: str, shape: tuple[int, ...]
) -> None:
    message = _declared(dtype, shape)
    getattr(message, field).extend([b"a" if dtype == wire.DT_STRING else 1])
    with pytest.raises(AnswerError, match="stand for"):
        from_message(message)


def test_one_value_stands_for_no_more_than_the_request_implies() -> None:
    message = _declared(wire.DT_INT32, (10, 10))
    message.int_val.append(7)
    assert from_message(message, most=100).sum() == 700
    with pytest.raises(AnswerError, match=r"labels .* stand for 100, expected 99 at most"):
        from_message(message, "labels", most=99)


def test_values_that_were_sent_need_no_leave() -> None:
    message = _declared(wire.DT_INT32, (3,))
    message.int_val.extend([1, 2, 3])
    assert from_message(message, most=1).tolist() == [1, 2, 3]


@pytest.mark.parametrize("shape", [(2**62, 0, 8), (1,) * 70])
def test_shapes_that_no_array_has_are_refused(shape: tuple[int, ...]) -> None:
    for content in (b"", bytes(4)):
        message = _declared(wire.DT_FLOAT, shape)
        message.tensor_content = content
        with pytest.raises(AnswerError):
            from_message(message)


def test_a_packed_length_without_end_is_refused() -> None:
    with pytest.raises(AnswerError, match="without end"):
        from_message(_packed_strings(b"\xff" * 10**6, 1))


def _declared(dtype: wire.DataType, shape: tuple[int, ...]) -> wire.Tensor:
    message = wire.Tensor(dtype=dtype)
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    return message


def test_what_has_no_counterpart_is_not_sent() -> None:
    with pytest.raises(TypeError, match="complex64"):
        to_message(np.zeros(2, np.complex64))
