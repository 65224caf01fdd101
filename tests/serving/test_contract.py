"""The server answers as TF Serving 2.20 did, exchange by exchange, as the shared data hold it.

The same requests go to the embedded server and, where there is one, to TF Serving.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from server_calls import TIMEOUT_S, Calls, Running, refused, send_bytes
from synthseg_serving.versions import ModelConfig
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)

ONES = np.ones((2, 2, 2), np.float32)


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> Callable[[str], dict[str, str]]:
    """Reads one of the recordings."""
    return lambda name: json.loads((shared_data / "tf_serving" / f"tfs220_{name}.json").read_text())


def outcome(call: Callable[[], Message | None]) -> str:
    """What a call comes to, in the recordings' words."""
    try:
        answer = call()
    except grpc.RpcError as error:
        code = error.code()
        return f"{code.name}({code.value[0]}): {plain(error.details() or '')}"
    if isinstance(answer, predict_pb2.PredictResponse):
        tensors = {k: one_line(v)[:150] for k, v in sorted(answer.outputs.items())}
        return f"OK spec={one_line(answer.model_spec)} | {tensors}"
    return f"OK {one_line(answer)}".strip() if answer is not None else "OK"


def plain(details: str | None) -> str:
    """A message as the server wrote it; newer gRPC clients put it in brackets."""
    found = re.fullmatch(r"Stream removed \((.*)\)", details or "", re.DOTALL)
    return found.group(1) if found else details or ""


def one_line(message: Message) -> str:
    text = text_format.MessageToString(message, as_one_line=True)
    return re.sub(r"\s+", " ", text).strip()


def tensor(text: str) -> tensor_pb2.TensorProto:
    return text_format.Parse(text, tensor_pb2.TensorProto())


def cube(values: str) -> tensor_pb2.TensorProto:
    sizes = "dim { size: 2 } dim { size: 2 } dim { size: 2 }"
    return tensor(f"dtype: DT_FLOAT tensor_shape {{ {sizes} }} {values}")


def message(**changes: Any) -> predict_pb2.PredictRequest:
    """A good request, changed: `inputs` replaces them, the rest are fields of the model's name."""
    request = predict_pb2.PredictRequest()
    spec = request.model_spec
    spec.name = changes.get("name", "synth")
    spec.signature_name = changes.get("signature", "segment")
    if "version" in changes:
        spec.version.value = changes["version"]
    if "label" in changes:
        spec.version_label = changes["label"]
    for key, value in changes.get("inputs", {"image": ONES}).items():
        proto = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
        request.inputs[key].CopyFrom(proto)
    request.output_filter.extend(changes.get("outputs", ()))
    return request


def without_spec() -> predict_pb2.PredictRequest:
    request = message()
    request.ClearField("model_spec")
    return request


PREDICTIONS = {
    "ok segment": message(),
    "ok default sig": message(signature=""),
    "ok version 1": message(version=1),
    "label stable": message(label="stable"),
    "label canary": message(label="canary"),
    "label unknown": message(label="prod"),
    "version unknown": message(version=99),
    "model unknown": message(name="nope"),
    "model unknown+version": message(name="nope", version=3),
    "model unknown+label": message(name="nope", label="x"),
    "no model_spec": without_spec(),
    "empty name": message(name=""),
    "signature unknown": message(signature="bogus"),
    "missing input": message(inputs={}),
    "wrong input name": message(inputs={"img": ONES}),
    "extra input": message(inputs={"image": ONES, "b": ONES}),
    "wrong dtype": message(inputs={"image": ONES.astype(np.int32)}),
    "short tensor_content": message(inputs={"image": cube('tensor_content: "1234"')}),
    "dtype invalid 0": message(inputs={"image": tensor("dtype: DT_INVALID")}),
    "negative dim": message(
        inputs={"image": tensor("dtype: DT_FLOAT tensor_shape { dim { size: -2 } } float_val: 1")}
    ),
    "float_val broadcast 1 value": message(inputs={"image": cube("float_val: 3")}),
    "float_val 2 of 8 (pads last)": message(inputs={"image": cube("float_val: 1 float_val: 2")}),
    "filter labels": message(outputs=["labels"]),
    "filter unknown": message(outputs=["zzz"]),
    "filter dup": message(outputs=["labels", "labels"]),
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predict(typed: Calls, recorded: Callable[[str], dict[str, str]], name: str) -> None:
    found = outcome(lambda: typed.prediction.Predict(PREDICTIONS[name], timeout=TIMEOUT_S))
    assert shortened(found) == shortened(recorded("defaults")[name])


@pytest.mark.parametrize(
    "name", [n for n in PREDICTIONS if "OK" in n or n.startswith(("ok", "fl"))]
)
def test_predict_packed(
    packed: Calls, recorded: Callable[[str], dict[str, str]], name: str
) -> None:
    found = outcome(lambda: packed.prediction.Predict(PREDICTIONS[name], timeout=TIMEOUT_S))
    assert shortened(found) == shortened(recorded("tensor_content")[name])


def shortened(text: str) -> str:
    """Without the graph's own name for an input."""
    return re.sub(r"\(feed name: \w+:0\)", "(feed name)", text)


def test_wrong_rank_reaches_the_graph(typed: Calls) -> None:
    request = message(inputs={"image": np.ones((2, 2), np.float32)})
    assert outcome(lambda: typed.prediction.Predict(request, timeout=TIMEOUT_S)).startswith("OK")


def status(
    name: str = "synth", version: int | None = None, label: str = ""
) -> get_model_status_pb2.GetModelStatusRequest:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    return request


STATUSES = {
    "status all": status(),
    "status v1": status(version=1),
    "status unknown version": status(version=9),
    "status unknown model": status("nope"),
    "status label(ignored?)": status(label="stable"),
    "status nospec": get_model_status_pb2.GetModelStatusRequest(),
}


@pytest.mark.parametrize("name", STATUSES)
def test_status(typed: Calls, recorded: Callable[[str], dict[str, str]], name: str) -> None:
    found = outcome(lambda: typed.models.GetModelStatus(STATUSES[name], timeout=TIMEOUT_S))
    assert found == recorded("defaults")[name]


def metadata(*fields: str, name: str = "synth") -> get_model_metadata_pb2.GetModelMetadataRequest:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return request


METADATA_ERRORS = {
    "metadata no field": metadata(),
    "metadata bad field": metadata("foo"),
    "metadata unknown model": metadata("signature_def", name="nope"),
    "metadata nospec": get_model_metadata_pb2.GetModelMetadataRequest(
        metadata_field=["signature_def"]
    ),
}


@pytest.mark.parametrize("name", METADATA_ERRORS)
def test_metadata_errors(
    typed: Calls, recorded: Callable[[str], dict[str, str]], name: str
) -> None:
    call = typed.prediction.GetModelMetadata
    assert (
        outcome(lambda: call(METADATA_ERRORS[name], timeout=TIMEOUT_S))
        == recorded("defaults")[name]
    )


def test_metadata_names_the_signatures(typed: Calls) -> None:
    signatures = typed.metadata().signature_def
    assert {"__saved_model_init_op", "segment", "serving_default", "slow"} == set(signatures)
    segment = signatures["segment"]
    assert segment.method_name == "tensorflow/serving/predict"
    assert [dim.size for dim in segment.inputs["image"].tensor_shape.dim] == [-1, -1, -1]


@pytest.mark.parametrize("service", ["", "PredictionService", "ModelService"])
def test_health_serves(typed: Calls, service: str) -> None:
    answer = check_health(typed, service)
    assert answer.SerializeToString() == bytes.fromhex("0801")


@pytest.mark.parametrize("service", ["tensorflow.serving.PredictionService", "nope"])
def test_health_does_not_know_other_names(typed: Calls, service: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        check_health(typed, service)
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


def check_health(calls: Calls, service: str) -> health_pb2.HealthCheckResponse:
    stub = health_pb2_grpc.HealthStub(calls.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S)


def test_session_service_is_not_there(typed: Calls) -> None:
    method = "/tensorflow.serving.SessionService/SessionRun"
    code, _ = refused(lambda: send_bytes(typed.channel, method, b""))
    assert code == "UNIMPLEMENTED"


def test_deadline_stops_the_run(typed: Calls) -> None:
    request = message(signature="slow")
    found = outcome(lambda: typed.prediction.Predict(request, timeout=0.3))
    assert found == "DEADLINE_EXCEEDED(4): Deadline Exceeded"
    # The next request does not wait for the one that was given up, which would take minutes.
    assert outcome(lambda: typed.prediction.Predict(message(), timeout=60)).startswith("OK")


def reload_request(text: str) -> model_management_pb2.ReloadConfigRequest:
    return text_format.Parse(text, model_management_pb2.ReloadConfigRequest())


def entry(name: str, path: object, platform: str = 'model_platform: "tensorflow"') -> str:
    return f'config {{ name: "{name}" base_path: "{path}" {platform} }}'


REFUSED = {
    "reload empty": "",
    "reload relative path": entry("a", "rel"),
    "reload dup": entry("a", "/x") + entry("a", "/x"),
    "reload bad platform": entry("a", "/x", 'model_platform: "torch"'),
    "reload no platform": entry("a", "/x", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_reload_refuses(
    packed: Calls, recorded: Callable[[str], dict[str, str]], name: str
) -> None:
    config = f"config {{ model_config_list {{ {REFUSED[name]} }} }}" if REFUSED[name] else ""
    call = packed.models.HandleReloadConfigRequest
    # Only one of the two recordings holds each answer unspoilt by the reload before it.
    source = "defaults" if name == "reload no platform" else "tensor_content"
    assert (
        outcome(lambda: call(reload_request(config), timeout=TIMEOUT_S)) == recorded(source)[name]
    )
    # TF Serving is spoilt by some of these; the embedded server goes on as before.
    assert outcome(lambda: packed.prediction.Predict(message(label="stable"))).startswith("OK")


def test_reload_sequence(
    start: Callable[..., Running],
    synth_dir: Path,
    save_synth: Callable[[Path, int], Path],
    recorded: Callable[[str], dict[str, str]],
    tmp_path: Path,
    synth_config: Callable[..., ModelConfig],
    synth_entry: Callable[..., dict[str, object]],
) -> None:
    answers = recorded("reload")
    live = tmp_path / "live"
    live.mkdir()
    save_synth(live, 1)
    both = (
        synth_config(synth_dir, stable=1, canary=2),
        ModelConfig(name="live", base_path=live),
    )
    calls = start(*both, labels_for_unavailable=True).calls
    live_entry = {"name": "live", "base_path": str(live), "model_platform": "tensorflow"}

    def predict(**changes: Any) -> str:
        try:
            answer = calls.prediction.Predict(message(**changes), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return f"{error.code().name}({error.code().value[0]}): {plain(error.details() or '')}"
        return f"OK version {answer.model_spec.version.value}"

    def reload(*entries: Mapping[str, object]) -> str:
        return outcome(lambda: calls.reload(*entries))

    moved = synth_entry(synth_dir, stable=2)
    steps = [
        ("reload: move stable 1->2, canary not re-listed", lambda: reload(moved, live_entry)),
        ("predict stable", lambda: predict(label="stable")),
        ("predict canary", lambda: predict(label="canary")),
        (
            "reload: EXISTING label to missing version 7",
            lambda: reload(synth_entry(synth_dir, stable=7), live_entry),
        ),
        ("predict stable after the refused move", lambda: predict(label="stable")),
        (
            "reload: NEW label to missing version 7",
            lambda: reload(synth_entry(synth_dir, stable=2, next=7), live_entry),
        ),
        ("predict next", lambda: predict(label="next")),
        (
            "reload: relative path",
            lambda: reload({"name": "a", "base_path": "rel", "model_platform": "tensorflow"}),
        ),
        ("reload: same name twice", lambda: reload(*[{**live_entry, "name": "a"}] * 2)),
        ("reload: good after those", lambda: reload(moved, live_entry)),
        ("reload: drop model live", lambda: reload(moved)),
        ("predict dropped model", lambda: predict(name="live")),
        (
            "status dropped model",
            lambda: outcome(lambda: calls.models.GetModelStatus(status("live"), timeout=TIMEOUT_S)),
        ),
        ("reload: re-add live", lambda: reload(moved, live_entry)),
        ("predict re-added", lambda: predict(name="live")),
        ("predict version still served", lambda: predict()),
    ]
    step: Callable[[], str]
    for name, step in steps:
        assert (name, step()) == (name, answers[name])
    # From here on TF Serving hangs; see test_server.
    ghost = {"name": "ghost", "base_path": str(tmp_path / "no"), "model_platform": "tensorflow"}
    assert reload(moved, live_entry, ghost).startswith("NOT_FOUND(5)")
    assert predict(label="stable") == "OK version 2"
