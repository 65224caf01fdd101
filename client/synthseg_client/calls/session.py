"""One connection to a model server, as a program uses it: segment, describe, ask how things are."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike
from synthseg_common import contract
from synthseg_common.arrays import AnyArray

from synthseg_client.calls.channel import ServerAddress
from synthseg_client.calls.connection import Connection
from synthseg_client.calls.deadlines import LOADING_TIMEOUT_S, SHORT_TIMEOUT_S, default_timeout_s
from synthseg_client.calls.descriptions import Descriptions
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.prediction import Prediction
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.server_state import (
    Signatures,
    ask_for_health,
    ask_for_signatures,
    ask_for_versions,
)
from synthseg_client.errors import ServerGoneError
from synthseg_client.model import Model


class Session:
    """One open connection to a model server; safe to share between threads.

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
        self._connection = Connection(
            self.address, self.model, self.retry, revive=revive, tell=tell
        )
        # One that is started for us loads a model when it is first asked, on a busy machine slowly.
        self._describe_timeout_s = SHORT_TIMEOUT_S if revive is None else LOADING_TIMEOUT_S
        self._descriptions = self._descriptions_of(self.model)
        self._others: dict[str, Session] = {}
        self._lock = threading.Lock()

    def beside(self, name: str | None) -> Session:
        """This connection for another of the server's models, whose newest version is asked.

        Args:
            name: Name it is served under; None is this session's own.
        """
        if name is None or name == self.model.name:
            return self
        with self._lock:
            if name not in self._others:
                self._others[name] = self.of_model(ModelChoice(name=name))
            return self._others[name]

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
        """Closes the connection; requests and waits under way end with an error."""
        self._connection.close()

    def at_close(self, end: Callable[[], None]) -> None:
        """Has `end` called when the session is closed, so that `revive` waits no longer."""
        self._connection.at_close(end)

    @property
    def gone(self) -> ServerGoneError | None:
        """Why nothing more need be asked: one has waited for the server in vain.

        It is None again when a request, which then is tried once, has been answered.
        """
        return self._connection.gone

    def of_model(self, model: ModelChoice) -> Session:
        """A session with another model of the same server, over the same connection.

        It ends with this one: waits, scans that end servers, and closing are common to both.

        Args:
            model: Which model.
        """
        other = copy(self)
        other.model = model
        other._descriptions = self._descriptions_of(model)
        return other

    def _descriptions_of(self, model: ModelChoice) -> Descriptions:
        return Descriptions(self._connection, model, self._describe_timeout_s)

    def predict(
        self,
        inputs: Mapping[str, ArrayLike],
        outputs: Iterable[str] = (),
        *,
        signature: str = contract.SEGMENT_SIGNATURE,
        model: ModelChoice | None = None,
        timeout_s: float = SHORT_TIMEOUT_S,
        metadata: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, AnyArray], int]:
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
        return self.ask(
            Prediction(
                model=model or self.model,
                inputs=inputs,
                outputs=tuple(outputs),
                signature=signature,
                timeout_s=timeout_s,
                metadata=metadata or {},
            )
        )

    def ask(self, asked: Prediction) -> tuple[dict[str, AnyArray], int]:
        """The answer to a prediction of any of the server's models.

        Returns:
            Arrays by output name, and the version of the model that answered.

        Raises:
            ServerError: There is no answer.
        """
        answer = self._connection.predict(asked)
        return asked.read(answer, self.address.target), answer.model_spec.version.value

    def segment(
        self,
        image: AnyArray,
        min_size: Iterable[int],
        *,
        flip: bool,
        outputs: Iterable[str],
        smooth: bool = True,
        metadata: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, AnyArray], Model]:
        """Sends one volume.

        Labels and label table belong together even while a server changes versions, and of several
        servers behind one name some have changed already: the answer says which version made it,
        and that version is asked for its table.

        Args:
            image: float32 `[x, y, z]`, RAS, 1 mm, finite.
            min_size: Least network grid per axis, three numbers.
            flip: Whether to average with the mirrored pass.
            outputs: Names from `contract`.
            smooth: Whether probabilities are blurred a little.
            metadata: Pairs sent with this call besides those of the address.

        Returns:
            Arrays by output name, as `contract` describes them, and the model that answered.

        Raises:
            ServerError: There is no answer.
        """
        least = list(min_size)
        asked = Prediction(
            model=self.model,
            inputs={
                contract.IMAGE: np.asarray(image, np.float32),
                contract.MIN_SIZE: np.asarray(least, np.int32),
                contract.FLIP: np.asarray(flip),
                # Models of before this choice was there do not know it.
                **({} if smooth else {contract.SMOOTH: np.asarray(False)}),
            },
            outputs=tuple(outputs),
            timeout_s=self.timeout_s or default_timeout_s(image.size, flip),
            metadata=metadata or {},
            most_values=self._most_values(image.shape, least),
            awaits_model=self._descriptions.expects_model,
            with_scan=True,
        )
        answer, version = self.ask(asked)
        return answer, self._descriptions.of_version(version)

    def _most_values(self, shape: Sequence[int], min_size: Sequence[int]) -> int | None:
        """How many values an output may have: every label's at every voxel, if that is known."""
        described = self._descriptions.latest
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
        return self._descriptions.of_chosen(refresh=refresh)

    def status(self, model: ModelChoice | None = None) -> dict[int, str]:
        """State of every version that the server knows: `AVAILABLE`, `LOADING`, `END`, ...

        Args:
            model: Another model than the session's.

        Raises:
            UnknownModelError: It knows no such model or version.
        """
        return ask_for_versions(self._connection, model or self.model)

    def metadata(self) -> Signatures:
        """Signatures: `{signature: {"inputs" or "outputs": {name: (type number, shape)}}}`."""
        return ask_for_signatures(self._connection, self.model)

    def health(self, service: str = "") -> str:
        """`SERVING`, `NOT_SERVING`, ...; `UNIMPLEMENTED` where the service is switched off."""
        return ask_for_health(self._connection, service)
