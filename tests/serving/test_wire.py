"""The client's own messages mean on the wire what TF Serving's do."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from grpc_health.v1 import health_pb2
from synthseg_client import messages_pb2 as ours
from synthseg_client.calls.tensors import from_message
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

THEIRS = {
    "TensorShape": tensor_shape_pb2.TensorShapeProto,
    "Tensor": tensor_pb2.TensorProto,
    "ModelSpec": model_pb2.ModelSpec,
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictResponse": predict_pb2.PredictResponse,
    "TensorInfo": meta_graph_pb2.TensorInfo,
    "SignatureDef": meta_graph_pb2.SignatureDef,
    "SignatureDefMap": get_model_metadata_pb2.SignatureDefMap,
    "GetModelMetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelMetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
    "HealthCheckRequest": health_pb2.HealthCheckRequest,
    "HealthCheckResponse": health_pb2.HealthCheckResponse,
}

DESCRIPTORS = {name: message.DESCRIPTOR for name, message in THEIRS.items()}
# tensorflow-serving-api ships no module of this one.
DESCRIPTORS["Status"] = DESCRIPTORS["ModelVersionStatus"].fields_by_name["status"].message_type


def test_every_message_has_its_counterpart() -> None:
    assert set(ours.DESCRIPTOR.message_types_by_name) == set(DESCRIPTORS)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_fields_have_the_servers_numbers_and_types(name: str) -> None:
    compare(ours.DESCRIPTOR.message_types_by_name[name], DESCRIPTORS[name])


def compare(mine: Descriptor, theirs: Descriptor | None) -> None:
    assert theirs is not None
    for field in mine.fields:
        other = theirs.fields_by_name[field.name]
        assert on_the_wire(field) == on_the_wire(other), f"{mine.name}.{field.name}"
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            compare(field.message_type, other.message_type)
        if field.enum_type is not None and other.enum_type is not None:
            for value in field.enum_type.values:
                assert other.enum_type.values_by_number[value.number].name.endswith(value.name)
    for nested in mine.nested_types:
        compare(nested, theirs.nested_types_by_name[nested.name])


def on_the_wire(field: FieldDescriptor) -> tuple[object, ...]:
    """What decides how a field is written; an enum is written as an int32."""
    kind = FieldDescriptor.TYPE_INT32 if field.type == FieldDescriptor.TYPE_ENUM else field.type
    return field.number, kind, field.is_repeated, field.is_packed


def test_types_have_the_servers_numbers() -> None:
    for value in ours.DataType.DESCRIPTOR.values:
        assert types_pb2.DataType.Value(value.name) == value.number


def test_request_reads_the_same_on_both_sides() -> None:
    request = predict_pb2.PredictRequest(output_filter=["labels"])
    request.model_spec.name = "synthseg"
    request.model_spec.version.value = 3
    request.inputs["image"].CopyFrom(tf.make_tensor_proto(np.ones((2, 3), np.float32)))
    read = ours.PredictRequest.FromString(request.SerializeToString())
    assert read.model_spec.version.value == 3
    assert predict_pb2.PredictRequest.FromString(read.SerializeToString()) == request


def test_strings_packed_as_tensorflow_packs_them_are_read() -> None:
    """TF Serving packs strings too when it is told to answer in packed tensors."""
    strings = [b"left thalamus", b"", b"x" * 300]
    lengths = bytes([13, 0, 300 & 0x7F | 0x80, 300 >> 7])
    theirs = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING,
        tensor_shape=tensor_shape_pb2.TensorShapeProto(
            dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=3)]
        ),
        tensor_content=lengths + b"".join(strings),
    )
    raw = theirs.SerializeToString()
    assert tf.io.parse_tensor(raw, tf.string).numpy().tolist() == strings
    assert from_message(ours.Tensor.FromString(raw)).tolist() == strings
