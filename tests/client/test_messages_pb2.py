from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_generated_messages_are_those_of_the_proto_file() -> None:
    from google.protobuf import descriptor_pb2
    from synthseg_client import messages_pb2

    described = descriptor_pb2.FileDescriptorProto()
    messages_pb2.DESCRIPTOR.CopyToProto(described)
    text = (REPOSITORY / "client/synthseg_client/messages.proto").read_text()
    for message in described.message_type:
        assert f"message {message.name} {{" in text
        for field in message.field:
            assert f" {field.name} = {field.number}" in text
    for enum in described.enum_type:
        for value in enum.value:
            assert f"{value.name} = {value.number};" in text
