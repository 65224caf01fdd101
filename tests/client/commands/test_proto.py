from __future__ import annotations

import re
from pathlib import Path

from client_command import run_client
from synthseg_client import messages_pb2
from synthseg_client.calls import methods
from synthseg_client.commands.proto import PROTO_FILES
from synthseg_common import contract


def test_the_files_are_written_whole_and_named(tmp_path: Path) -> None:
    run = run_client("proto", tmp_path)
    assert run.exit_code == 0
    assert run.output.split() == [str(tmp_path / name) for name in PROTO_FILES]
    text = (tmp_path / "messages.proto").read_text()
    assert f"\n// Version {contract.VERSION} of the contract" in text
    assert all(
        f"message {name} {{" in text for name in messages_pb2.DESCRIPTOR.message_types_by_name
    )


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = run_client("proto", tmp_path / "file")
    assert run.exit_code == 2
    assert str(tmp_path / "file") in run.output
    assert len(run.output.strip().splitlines()) == 1


def test_the_procedures_are_those_that_are_called(tmp_path: Path) -> None:
    run_client("proto", tmp_path)
    text = (tmp_path / "services.proto").read_text()
    package = re.findall(r"^package (.+);", text, re.MULTILINE)[0]
    listed = {}
    for service, body in re.findall(r"service (\w+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        for name, asked, answer in re.findall(
            r"rpc (\w+)\(([\w.]+)\)\s+returns \(([\w.]+)\)", body
        ):
            listed[f"/{package}.{service}/{name}"] = (asked, answer)
    for method in (methods.PREDICT, methods.METADATA, methods.STATUS):
        asked, answer = method.request.DESCRIPTOR, method.answer.DESCRIPTOR
        assert listed.pop(method.path) == (asked.full_name, answer.full_name)
    assert listed == {}
