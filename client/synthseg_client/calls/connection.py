"""The channels to one server: requests sent again as far as makes sense, and its return awaited."""

from __future__ import annotations

from collections.abc import Callable

import grpc
from synthseg_common import contract
from synthseg_common.certificates import CertificateError, WatchedPem

from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.channel import ServerAddress, open_channel
from synthseg_client.calls.deadlines import SHORT_TIMEOUT_S
from synthseg_client.calls.flights import Flights
from synthseg_client.calls.methods import PREDICT, Answer, Method, Request
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.outage import Outage
from synthseg_client.calls.prediction import Prediction
from synthseg_client.calls.retry import Caller, RetryPolicy
from synthseg_client.errors import ServerError, ServerGoneError, UsageError
from synthseg_client.telemetry.calls import awaited, observed


class Connection:
    """What all requests of a session share; safe to share between threads.

    Args:
        address: The server.
        model: The model by which one tells that the server is back.
        retry: How patiently failed requests are repeated.
        revive: Starts the server again if it has died.
        tell: Takes lines for the user; None logs them as warnings.

    Attributes:
        address: The server.
    """

    def __init__(
        self,
        address: ServerAddress,
        model: ModelChoice,
        retry: RetryPolicy,
        *,
        revive: Callable[[], object] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.address = address
        self._expects_model = False
        self._model = model
        self._outage = Outage(
            limit_s=retry.server_wait_s, is_back=self._is_back, revive=revive, tell=tell
        )
        self._caller = Caller(
            target=address.target, policy=retry, outage=self._outage, flights=Flights()
        )
        try:
            self._certificates = WatchedPem(address.tls.files) if address.tls else None
        except CertificateError as error:
            raise UsageError(str(error)) from error
        self._channels = [open_channel(address)]
        self._at_close: Callable[[], None] = lambda: None

    def close(self) -> None:
        """Closes the channels; requests and waits under way end with an error."""
        self._outage.close()
        self._at_close()
        self._caller.flights.close()
        for channel in tuple(self._channels):
            channel.close()

    def note_model(self, name: str) -> None:
        """Takes note that a model has answered: where it is the one asked for, it will again."""
        self._expects_model |= name == self._model.name

    def at_close(self, end: Callable[[], None]) -> None:
        """Has `end` called when the connection is closed."""
        self._at_close = end

    @property
    def gone(self) -> ServerGoneError | None:
        """Why nothing more need be asked, see `Session.gone`."""
        return self._outage.over

    def call(
        self, method: Method[Request, Answer], request: Request, timeout_s: float = SHORT_TIMEOUT_S
    ) -> Answer:
        """The answer to a request, which is sent again where that makes sense.

        Args:
            method: What to call.
            request: What to send.
            timeout_s: Deadline in seconds of each try.

        Raises:
            ServerError: There is no answer.
        """
        return self._sent_by(self._caller.call, self._sending(method, request, timeout_s))

    def predict(self, asked: Prediction) -> wire.PredictResponse:
        """The same for a prediction, which says itself how it is to be sent."""
        caller = self._caller
        call = caller.call_with_scan if asked.with_scan else caller.call
        send = self._sending(PREDICT, asked.to_message(), asked.timeout_s, asked)
        with awaited():
            return self._sent_by(
                lambda try_once: call(try_once, awaits_model=asked.awaits_model), send
            )

    def call_once(self, method: Method[Request, Answer], request: Request) -> Answer:
        """One try.

        Raises:
            grpc.RpcError: There is no answer.
        """
        return self._sending(method, request, SHORT_TIMEOUT_S)()

    def _sending(
        self,
        method: Method[Request, Answer],
        request: Request,
        timeout_s: float,
        asked: Prediction | None = None,
    ) -> Callable[[], Answer]:
        """One try of a request, over whatever channel is the newest when it is made."""
        pairs = (*self.address.call_metadata(), *(asked.metadata if asked else {}).items())
        voxels = asked.voxels if asked else 0

        def send() -> Answer:
            procedure = method.over(self._newest_channel())
            with observed(method.path, voxels) as more:
                return procedure(request, timeout=timeout_s, metadata=(*pairs, *more))

        return send

    def _sent_by(
        self, call: Callable[[Callable[[], Answer]], Answer], send: Callable[[], Answer]
    ) -> Answer:
        try:
            return call(send)
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
        self._put_in_use(channel)
        return True

    def _newest_channel(self) -> grpc.Channel:
        """Where requests go: over certificates that were replaced meanwhile, by a new channel."""
        newer = self._certificates.newer() if self._certificates else None
        if newer is not None:
            self._put_in_use(open_channel(self.address, newer))
        return self._channels[-1]

    def _put_in_use(self, channel: grpc.Channel) -> None:
        self._channels.append(channel)
        if not self._caller.flights.under_way:  # else some may be on older ones
            for old in self._channels[:-2]:
                self._channels.remove(old)
                old.close()

    def _answers(self, channel: grpc.Channel, timeout_s: float) -> bool:
        spec = self._model.to_spec(contract.DESCRIBE_SIGNATURE)
        try:
            PREDICT.over(channel)(
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
