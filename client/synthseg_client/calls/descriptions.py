"""The label tables of a model's versions, each asked for once."""

from __future__ import annotations

import threading

from synthseg_common import contract

from synthseg_client.calls.connection import Connection
from synthseg_client.calls.deadlines import SHORT_TIMEOUT_S
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.prediction import Prediction
from synthseg_client.calls.server_state import ask_for_versions
from synthseg_client.errors import BadRequestError, ModelError, ModelGoneError, UnknownModelError
from synthseg_client.model import Model, read_description

# As many as 16 bits tell apart.
_MOST_LABELS = 2**16
# Asking for a label table costs little, and servers behind one name take turns.
_VERSION_TRIES = 30
_ON_ITS_WAY = ("START", "LOADING")


class Descriptions:
    """What the versions of one model say about themselves; safe to share between threads.

    Args:
        connection: To the server.
        choice: Which of its models, and which version unless the newest.
        timeout_s: Deadline of each try.

    Attributes:
        latest: That of the version met last, if any was.
        expects_model: Whether the model is known to be there, so that one waits for it when it is
            not.
    """

    def __init__(
        self, connection: Connection, choice: ModelChoice, timeout_s: float = SHORT_TIMEOUT_S
    ) -> None:
        self.latest: Model | None = None
        self.expects_model = False
        self._connection = connection
        self._choice = choice
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._by_version: dict[int, Model] = {}

    def of_chosen(self, *, refresh: bool = False) -> Model:
        """That of the version met last, or of the one that was chosen if none was met.

        Args:
            refresh: Ask again: the server may have loaded a newer version.

        Raises:
            UnknownModelError: The server has no such model, and none such is on its way.
            ModelError: It is not a segmentation model of this contract.
        """
        with self._lock:
            if self.latest is None or refresh:
                self.latest = self._ask_for_chosen()
            return self.latest

    def of_version(self, version: int) -> Model:
        """That of a version that has answered; 0 where the server does not say which.

        Raises:
            ModelGoneError: No server behind the name has it any more.
        """
        if not version:
            return self.of_chosen()
        with self._lock:
            if version not in self._by_version:
                choice = ModelChoice(name=self._choice.name, version=version)
                for tries_left in reversed(range(_VERSION_TRIES)):
                    try:
                        self._ask_for(choice)
                        break
                    except ModelGoneError:  # of several servers, one that has not that version
                        if not tries_left:
                            raise
            self.latest = self._by_version[version]
            return self.latest

    def _ask_for_chosen(self) -> Model:
        try:
            return self._ask_for(self._choice, awaits_model=self.expects_model)
        except (ModelGoneError, BadRequestError) as error:
            if self.expects_model or not self._is_on_its_way(error):
                raise
        self._expect_model()
        return self._ask_for(self._choice, awaits_model=True)

    def _ask_for(self, choice: ModelChoice, *, awaits_model: bool = False) -> Model:
        asked = Prediction(
            model=choice,
            signature=contract.DESCRIBE_SIGNATURE,
            most_values=_MOST_LABELS,
            timeout_s=self._timeout_s,
            awaits_model=awaits_model,
        )
        answer = self._connection.predict(asked)
        arrays = asked.read(answer, self._connection.address.target)
        version = answer.model_spec.version.value
        model = read_description(arrays, self._choice.name, version)
        self._by_version[version] = model
        self._expect_model()
        return model

    def _expect_model(self) -> None:
        self.expects_model = True
        self._connection.note_model(self._choice.name)

    def _is_on_its_way(self, error: ModelError) -> bool:
        """Whether the model that was chosen, and is not there, is being loaded.

        Raises:
            UnknownModelError: The server has never heard of it.
        """
        choice = self._choice
        unknown = f"{self._connection.address.target} has no model {choice.title}"
        try:
            versions = ask_for_versions(self._connection, ModelChoice(name=choice.name))
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
