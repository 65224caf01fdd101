"""One connection to a model server: requests with deadlines and retries, status, health."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import grpc
import numpy as np
from numpy.typing import ArrayLike, NDArray
from synthseg_common import contract

from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.channel import ServerAddress, open_channel
from synthseg_client.calls.flights import Flights
from synthseg_client.calls.outage import Outage
from synthseg_client.calls.refusals import translate
from synthseg_client.calls.retry import Caller, RetryPolicy
from synthseg_client.calls.tensors import from_message, to_message
from synthseg_client.errors import (
    BadRequestError,
    ModelError,
    ModelGoneError,
    ServerError,
    ServerGoneError,
    UnknownModelError,
    UsageError,
)
from synthseg_client.model import Model, read_description

_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_HEALTH = "/grpc.health.v1.Health/Check"

SHORT_TIMEOUT_S = 60.0
"""Deadline of requests that compute nothing."""
# As many as 16 bits tell apart.
_MOST_LABELS = 2**16
# Asking for a label table costs little, and servers behind one name take turns.
_VERSION_TRIES = 30
_ON_ITS_WAY = ("START", "LOADING")
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

    @property
    def title(self) -> str:
        """The choice as the command line takes it."""
        if self.label is not None:
            return f"{self.name}@{self.label}"
        return self.name if self.version is None else f"{self.name}:{self.version}"

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
        revive: Starts the server again if it has died.
        tell: Takes lines for the user, such as what is waited for; None logs them as warnings.

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
        revive: Callable[[], object] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.address = ServerAddress(target=address) if isinstance(address, str) else address
        self.model = model or ModelChoice()
        self.timeout_s = timeout_s
        self.retry = retry or RetryPolicy()
        self._outage = Outage(
            limit_s=self.retry.server_wait_s, is_back=self._is_back, revive=revive, tell=tell
        )
        self._caller = Caller(
            target=self.address.target, policy=self.retry, outage=self._outage, flights=Flights()
        )
        self._channels = [open_channel(self.address)]
        # Whether the model is known to be there, so that one waits for it when it is not.
        self._expects_model = False
        self._at_close: Callable[[], None] = lambda: None
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
        """Closes the channel; requests and waits under way end with an error."""
        self._outage.close()
        self._at_close()
        self._caller.flights.close()
        for channel in tuple(self._channels):
            channel.close()

    def at_close(self, end: Callable[[], None]) -> None:
        """Has `end` called when the session is closed, so that `revive` waits no longer."""
        self._at_close = end

    @property
    def gone(self) -> ServerGoneError | None:
        """Why nothing more need be asked: one has waited for the server in vain.

        It is None again when a request, which then is tried once, has been answered.
        """
        return self._outage.over

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
        return self._predict(
            self._caller.call, inputs, outputs, signature, model, timeout_s, metadata
        )

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
        least = list(min_size)
        request = {
            contract.IMAGE: np.asarray(image, np.float32),
            contract.MIN_SIZE: np.asarray(least, np.int32),
            contract.FLIP: np.asarray(flip),
        }
        answer, version = self._predict(
            partial(self._caller.call_with_scan, awaits_model=self._expects_model),
            request,
            outputs,
            timeout_s=timeout_s,
            metadata=metadata,
            most_values=self._most_values(image.shape, least),
        )
        return answer, self._described(version)

    def _most_values(self, shape: Sequence[int], min_size: Sequence[int]) -> int | None:
        """How many values an output may have: every label's at every voxel, if that is known."""
        described = self._description
        if described is None:
            return None
        return math.prod(contract.network_grid(shape, min_size)) * described.n_labels

    def describe(self, *, refresh: bool = False) -> Model:
        """The label table of the version met last and what it says about itself, asked once.

        Args:
            refresh: Ask again: the server may have loaded a newer version.

        Raises:
            UnknownModelError: The server has no such model, and none such is on its way.
            ModelError: It is not a segmentation model of this contract.
        """
        with self._lock:
            if self._description is None or refresh:
                self._description = self._ask_for_chosen()
            return self._description

    def _ask_for_chosen(self) -> Model:
        try:
            return self._ask_for_description(self.model, awaits_model=self._expects_model)
        except (ModelGoneError, BadRequestError) as error:
            if self._expects_model or not self._is_on_its_way(error):
                raise
        self._expects_model = True
        return self._ask_for_description(self.model, awaits_model=True)

    def _is_on_its_way(self, error: ModelError) -> bool:
        """Whether the model that was chosen, and is not there, is being loaded.

        Raises:
            UnknownModelError: The server has never heard of it.
        """
        choice = self.model
        unknown = f"{self.address.target} has no model {choice.title}"
        try:
            versions = self.status(ModelChoice(name=choice.name))
        except UnknownModelError:
            raise UnknownModelError(f"{unknown}: is it served under another name?") from error
        except ModelError:  # a server that does not tell
            return False
        known = ", ".join(f"{number} ({state})" for number, state in sorted(versions.items()))
        if choice.label is not None:
            raise UnknownModelError(f"{unknown}: no version has that label.") from error
        if any(state in _ON_ITS_WAY for state in versions.values()):
            return True
        if choice.version is not None and choice.version not in versions:
            raise UnknownModelError(f"{unknown}, only version {known}.") from error
        return False

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

    def _ask_for_description(self, choice: ModelChoice, *, awaits_model: bool = False) -> Model:
        answer, version = self._predict(
            partial(self._caller.call, awaits_model=awaits_model),
            {},
            signature=contract.DESCRIBE_SIGNATURE,
            model=choice,
            most_values=_MOST_LABELS,
        )
        model = read_description(answer, self.model.name, version)
        self._by_version[version] = model
        self._expects_model = True
        return model

    def status(self, model: ModelChoice | None = None) -> dict[int, str]:
        """State of every version that the server knows: `AVAILABLE`, `LOADING`, `END`, ...

        Args:
            model: Another model than the session's.

        Raises:
            UnknownModelError: It knows no such model or version.
        """
        choice = model or self.model
        request = wire.GetModelStatusRequest(model_spec=choice.to_spec())
        try:
            answer = self._call(
                _MODEL + "GetModelStatus", request, wire.GetModelStatusResponse, SHORT_TIMEOUT_S
            )
        except ModelGoneError as error:
            raise UnknownModelError(str(error)) from error
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
        return _unary(self._channels[-1], path, answer_type)

    def _predict(
        self,
        call: Callable[..., Any],
        inputs: Mapping[str, ArrayLike],
        outputs: Iterable[str] = (),
        signature: str = contract.SEGMENT_SIGNATURE,
        model: ModelChoice | None = None,
        timeout_s: float = SHORT_TIMEOUT_S,
        metadata: Mapping[str, str] | None = None,
        most_values: int | None = None,
    ) -> tuple[dict[str, NDArray], int]:
        """What `predict` says, sent again as `call` sends; `most_values` as in `from_message`."""
        wanted = list(outputs)
        spec = (model or self.model).to_spec(signature)
        request = wire.PredictRequest(model_spec=spec, output_filter=wanted)
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(to_message(values))
        path = _PREDICTION + "Predict"
        answer = self._call(path, request, wire.PredictResponse, timeout_s, metadata, call)
        arrays = {
            name: from_message(tensor, name, most_values) for name, tensor in answer.outputs.items()
        }
        missing = [name for name in wanted if name not in arrays]
        if missing:
            raise ModelError(
                f"{self.address.target} left out {', '.join(missing)} from its answer."
            )
        return arrays, answer.model_spec.version.value

    def _call(
        self,
        path: str,
        request: Any,
        answer_type: Any,
        timeout_s: float,
        metadata: Mapping[str, str] | None = None,
        call: Callable[..., Any] | None = None,
    ) -> Any:
        pairs = [*self.address.call_metadata(), *(metadata or {}).items()]

        def send() -> Any:
            return self._unary(path, answer_type)(request, timeout=timeout_s, metadata=pairs)

        try:
            return (call or self._caller.call)(send)
        except ValueError as error:  # gRPC raises this one when the channel was closed meanwhile
            if isinstance(error, ServerError):
                raise
            raise ServerError(f"the connection to {self.address.target} was closed.") from error

    def _is_back(self, timeout_s: float) -> bool:
        """Whether the server answers requests, and has the model if it had it before.

        Asks by a new channel, which takes the old one's place when there is an answer: gRPC pauses
        ever longer before it resolves a name or connects again.
        """
        try:
            channel = open_channel(self.address)
        except UsageError:  # certificates that are being replaced
            return False
        self._channels.insert(0, channel)
        if self._outage.closed or not self._answers(channel, timeout_s):
            self._channels.remove(channel)
            channel.close()
            return False
        self._channels.remove(channel)
        self._channels.append(channel)
        if not self._caller.flights.under_way:  # else some may be on older ones
            for old in self._channels[:-2]:
                self._channels.remove(old)
                old.close()
        return True

    def _answers(self, channel: grpc.Channel, timeout_s: float) -> bool:
        spec = self.model.to_spec(contract.DESCRIBE_SIGNATURE)
        ask = _unary(channel, _PREDICTION + "Predict", wire.PredictResponse)
        try:
            ask(
                wire.PredictRequest(model_spec=spec),
                timeout=timeout_s,
                metadata=self.address.call_metadata(),
                wait_for_ready=True,  # gRPC connects as soon as somebody listens
            )
        except grpc.RpcError as error:
            absent = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
            absent += [grpc.StatusCode.NOT_FOUND] * self._expects_model
            return error.code() not in (*absent, grpc.StatusCode.CANCELLED)
        except ValueError:  # the channel was closed
            return False
        return True


def _unary(channel: grpc.Channel, path: str, answer_type: Any) -> Any:
    return channel.unary_unary(
        path,
        request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=answer_type.FromString,
    )


def _state_name(state: int) -> str:
    values = wire.ModelVersionStatus.State.DESCRIPTOR.values_by_number
    return values[state].name if state in values else str(state)


def _tensor_infos(infos: Mapping[str, wire.TensorInfo]) -> dict[str, tuple[int, list[int]]]:
    return {
        name: (int(info.dtype), [d.size for d in info.tensor_shape.dim])
        for name, info in infos.items()
    }
