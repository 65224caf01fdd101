"""What a server says of itself: health, versions of its models, their signatures."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.connection import Connection
from synthseg_client.calls.methods import HEALTH, METADATA, STATUS
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.refusals import translate
from synthseg_client.errors import ModelGoneError, UnknownModelError

Signatures = dict[str, dict[str, dict[str, tuple[int, list[int]]]]]
"""`{signature: {"inputs" or "outputs": {name: (type number, shape)}}}`."""
_SIGNATURES = "signature_def"


def ask_for_versions(connection: Connection, model: ModelChoice) -> dict[int, str]:
    """State of every version that the server knows: `AVAILABLE`, `LOADING`, `END`, ...

    Raises:
        UnknownModelError: It knows no such model or version.
        ServerError: There is no answer.
    """
    request = wire.GetModelStatusRequest(model_spec=model.to_spec())
    try:
        answer = connection.call(STATUS, request)
    except ModelGoneError as error:
        raise UnknownModelError(str(error)) from error
    return {v.version: _state_name(v.state) for v in answer.model_version_status}


def ask_for_signatures(connection: Connection, model: ModelChoice) -> Signatures:
    """Signatures of a model.

    Raises:
        ServerError: There is no answer.
    """
    request = wire.GetModelMetadataRequest(model_spec=model.to_spec(), metadata_field=[_SIGNATURES])
    answer = connection.call(METADATA, request)
    signatures = wire.SignatureDefMap.FromString(answer.metadata[_SIGNATURES].value)
    return {
        name: {"inputs": _tensor_infos(s.inputs), "outputs": _tensor_infos(s.outputs)}
        for name, s in signatures.signature_def.items()
    }


def ask_for_health(connection: Connection, service: str = "") -> str:
    """`SERVING`, `NOT_SERVING`, ...; `UNIMPLEMENTED` where the service is switched off.

    Raises:
        ServerError: There is no answer; it is asked once.
    """
    try:
        answer = connection.call_once(HEALTH, wire.HealthCheckRequest(service=service))
    except grpc.RpcError as error:
        if error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND):
            return "UNIMPLEMENTED"
        raise translate(error, connection.address.target) from None
    return wire.HealthCheckResponse.ServingStatus.Name(answer.status)


def _state_name(state: int) -> str:
    values = wire.ModelVersionStatus.State.DESCRIPTOR.values_by_number
    return values[state].name if state in values else str(state)


def _tensor_infos(infos: Mapping[str, wire.TensorInfo]) -> dict[str, tuple[int, list[int]]]:
    return {
        name: (int(info.dtype), [d.size for d in info.tensor_shape.dim])
        for name, info in infos.items()
    }
