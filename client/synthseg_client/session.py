"""One connection to a model server: requests with deadlines and retries, status, health."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import grpc
import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthseg_client import contract
from synthseg_client import messages_pb2 as wire
from synthseg_client.channel import ServerAddress, open_channel
from synthseg_client.errors import ModelError, ModelGoneError, ServerError
from synthseg_client.model import Model, read_description
from synthseg_client.retry import RetryPolicy, call_with_retries, translate
from synthseg_client.tensors import from_message, to_message

_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_HEALTH = "/grpc.health.v1.Health/Check"

SHORT_TIMEOUT_S = 60.0
"""Deadline of requests that compute nothing."""
# Asking for a label table costs little, and servers behind one name take turns.
_VERSION_TRIES = 30
_BASE_TIMEOUT_S = 180.0
# Two slow cores need about 30 µs a voxel and pass with the full network; the rest is for queues and
# busy machines.
_TIMEOUT_S_PER_VOXEL = 1e-4


def default_timeout_s(voxels: int, flip: bool = True) -> float:
    """Deadline of a segmentation in seconds.

    A server computes on for a client that has gone unless the request carries a deadline, so there
    always is one.

    Args:
        voxels: Of the volume that is sent.
        flip: Whether the mirrored volume is segmented too.
    """
    return _BASE_TIMEOUT_S + voxels * _TIMEOUT_S_PER_VOXEL * (2 if flip else 1)


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which model to ask.

    Attributes:
        name: Name it is served under.
        version: One version; None is the newest.
        label: A version label such as `stable`, instead of a version.
    """

    name: str = contract.MODEL_NAME
    version: int | None = None
    label: str | None = None

    def to_spec(self, signature: str = "") -> wire.ModelSpec:
        """The choice as it goes over the wire."""
        spec = wire.ModelSpec(name=self.name, signature_name=signature)
        if self.label is not None:
            spec.version_label = self.label
        elif self.version is not None:
            spec.version.value = self.version
        return spec


class Session:
    """One open channel to a model server; safe to share between threads.

    Args:
        address: The server, as an address or with its credentials.
        model: Which model to ask.
        timeout_s: Deadline of a segmentation; None grows with the number of voxels.
        retry: How patiently failed requests are repeated.
        revive: Starts the server again if it has died, and says whether it had.

    Example:
        >>> with Session("localhost:8500") as session:  # doctest: +SKIP
        ...     print(session.describe().label_names)
    """

    def __init__(
        self,
        address: str | ServerAddress,
        model: ModelChoice | None = None,
        *,
        timeout_s: float | None = None,
        retry: RetryPolicy | None = None,
        revive: Callable[[], bool] | None = None,
    ) -> None:
        self.address = ServerAddress(target=address) if isinstance(address, str) else address
        self.model = model or ModelChoice()
        self.timeout_s = timeout_s
        self.retry = retry or RetryPolicy()
        self._revive = revive
        self._channel = open_channel(self.address)
        self._lock = threading.Lock()
        self._description: Model | None = None
        self._by_version: dict[int, Model] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel; requests under way end with an error."""
        self._channel.close()

    def predict(
        self,
        inputs: Mapping[str, ArrayLike],
        outputs: Iterable[str] = (),
        *,
        signature: str = contract.SEGMENT_SIGNATURE,
        model: ModelChoice | None = None,
        timeout_s: float = SHORT_TIMEOUT_S,
        metadata: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, NDArray], int]:
        """One raw request.

        Args:
            inputs: Arrays by input name.
            outputs: Names of the outputs wanted; none means all.
            signature: Signature of the model.
            model: Another model than the session's.
            timeout_s: Deadline in seconds of each try.
            metadata: Pairs sent with this call besides those of the address.

        Returns:
            Arrays by output name, and the version of the model that answered.

        Raises:
            ServerError: There is no answer.
        """
        wanted = list(outputs)
        spec = (model or self.model).to_spec(signature)
        request = wire.PredictRequest(model_spec=spec, output_filter=wanted)
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(to_message(values))
        answer = self._call(
            _PREDICTION + "Predict", request, wire.PredictResponse, timeout_s, metadata
        )
        arrays = {name: from_message(tensor, name) for name, tensor in answer.outputs.items()}
        missing = [name for name in wanted if name not in arrays]
        if missing:
            raise ModelError(
                f"{self.address.target} left out {', '.join(missing)} from its answer."
            )
        return arrays, answer.model_spec.version.value

    def segment(
        self,
        image: NDArray,
        min_size: Iterable[int],
        *,
        flip: bool,
        outputs: Iterable[str],
        metadata: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, NDArray], Model]:
        """Sends one volume.

        Labels and label table belong together even while a server changes versions, and of several
        servers behind one name some have changed already: the answer says which version made it,
        and that version is asked for its table.

        Args:
            image: float32 `[x, y, z]`, RAS, 1 mm, finite.
            min_size: Least network grid per axis, three numbers.
            flip: Whether to average with the mirrored pass.
            outputs: Names from `contract`.
            metadata: Pairs sent with this call besides those of the address.

        Returns:
            Arrays by output name, as `contract` describes them, and the model that answered.

        Raises:
            ServerError: There is no answer.
        """
        timeout_s = self.timeout_s or default_timeout_s(image.size, flip)
        request = {
            contract.IMAGE: np.asarray(image, np.float32),
            contract.MIN_SIZE: np.asarray(list(min_size), np.int32),
            contract.FLIP: np.asarray(flip),
        }
        answer, version = self.predict(request, outputs, timeout_s=timeout_s, metadata=metadata)
        return answer, self._described(version)

    def describe(self, *, refresh: bool = False) -> Model:
        """The label table of the version met last and what it says about itself, asked once.

        Args:
            refresh: Ask again: the server may have loaded a newer version.

        Raises:
            ModelError: The server has no such model, or it is not a segmentation model of this
                contract.
        """
        with self._lock:
            if self._description is None or refresh:
                self._description = self._ask_for_description(self.model)
            return self._description

    def _described(self, version: int) -> Model:
        """The label table of a version that has answered."""
        if not version:  # a server that does not say which
            return self.describe()
        with self._lock:
            if version not in self._by_version:
                choice = ModelChoice(name=self.model.name, version=version)
                for tries_left in reversed(range(_VERSION_TRIES)):
                    try:
                        self._ask_for_description(choice)
                        break
                    except ModelGoneError:  # of several servers, one that has not that version
                        if not tries_left:
                            raise
            self._description = self._by_version[version]
            return self._description

    def _ask_for_description(self, choice: ModelChoice) -> Model:
        answer, version = self.predict({}, signature=contract.DESCRIBE_SIGNATURE, model=choice)
        model = read_description(answer, self.model.name, version)
        self._by_version[version] = model
        return model

    def status(self) -> dict[int, str]:
        """State of every version that the server knows: `AVAILABLE`, `LOADING`, `END`, ..."""
        request = wire.GetModelStatusRequest(model_spec=self.model.to_spec())
        answer = self._call(
            _MODEL + "GetModelStatus", request, wire.GetModelStatusResponse, SHORT_TIMEOUT_S
        )
        return {v.version: _state_name(v.state) for v in answer.model_version_status}

    def metadata(self) -> dict[str, dict[str, dict[str, tuple[int, list[int]]]]]:
        """Signatures: `{signature: {"inputs" or "outputs": {name: (type number, shape)}}}`."""
        request = wire.GetModelMetadataRequest(
            model_spec=self.model.to_spec(), metadata_field=["signature_def"]
        )
        answer = self._call(
            _PREDICTION + "GetModelMetadata",
            request,
            wire.GetModelMetadataResponse,
            SHORT_TIMEOUT_S,
        )
        signatures = wire.SignatureDefMap.FromString(answer.metadata["signature_def"].value)
        return {
            name: {"inputs": _tensor_infos(s.inputs), "outputs": _tensor_infos(s.outputs)}
            for name, s in signatures.signature_def.items()
        }

    def health(self, service: str = "") -> str:
        """`SERVING`, `NOT_SERVING`, ...; `UNIMPLEMENTED` where the service is switched off."""
        request = wire.HealthCheckRequest(service=service)
        try:
            answer = self._unary(_HEALTH, wire.HealthCheckResponse)(
                request, timeout=SHORT_TIMEOUT_S, metadata=self.address.call_metadata()
            )
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND):
                return "UNIMPLEMENTED"
            raise translate(error, self.address.target) from None
        return wire.HealthCheckResponse.ServingStatus.Name(answer.status)

    def _unary(self, path: str, answer_type: Any) -> Any:
        return self._channel.unary_unary(
            path,
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=answer_type.FromString,
        )

    def _call(
        self,
        path: str,
        request: Any,
        answer_type: Any,
        timeout_s: float,
        metadata: Mapping[str, str] | None = None,
    ) -> Any:
        send = self._unary(path, answer_type)
        pairs = [*self.address.call_metadata(), *(metadata or {}).items()]
        try:
            return call_with_retries(
                lambda: send(request, timeout=timeout_s, metadata=pairs),
                self.retry,
                self.address.target,
                self._revive,
            )
        except ValueError as error:  # gRPC raises this one when the channel was closed meanwhile
            if isinstance(error, ServerError):
                raise
            raise ServerError(f"the connection to {self.address.target} was closed.") from error


def _state_name(state: int) -> str:
    values = wire.ModelVersionStatus.State.DESCRIPTOR.values_by_number
    return values[state].name if state in values else str(state)


def _tensor_infos(infos: Mapping[str, wire.TensorInfo]) -> dict[str, tuple[int, list[int]]]:
    return {
        name: (int(info.dtype), [d.size for d in info.tensor_shape.dim])
        for name, info in infos.items()
    }
