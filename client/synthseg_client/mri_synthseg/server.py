"""The server that `mri_synthseg` asks: one that is named, that is kept, or one of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synthseg_common.contract import MODEL_NAME
from synthseg_common.errors import reason_of
from synthseg_common.labels import SYNTHSEG_V1, SYNTHSEG_V2
from synthseg_common.official_weights import (
    OfficialWeightsError,
    find_official,
    has_model,
)

from synthseg_client.calls.deadlines import LOADING_TIMEOUT_S
from synthseg_client.calls.session import Session
from synthseg_client.embedded import LocalModels, LocalServer
from synthseg_client.errors import ServerTimeoutError, UsageError
from synthseg_client.model import Model
from synthseg_client.mri_synthseg.arguments import Arguments
from synthseg_client.mri_synthseg.kept_server import KeptServer, stamps_of
from synthseg_client.options import Options
from synthseg_client.segmentation.companions import meet

START_TIMEOUT_S = 1800.0
"""The first start imports the weights, and of many that start at once all but one wait for it."""
# Many calls may wait in its queue; one whose caller has gone is dropped there whatever its time.
_KEPT_TIMEOUT_S = 4 * 3600.0


@dataclass(frozen=True)
class Connected:
    """A server that answers.

    Attributes:
        session: With it.
        pid: Process number of a server on this machine.
    """

    session: Session
    pid: Callable[[], int | None]


def local_models(arguments: Arguments, options: Options) -> LocalModels:
    """Which official networks a server that is started here has to have.

    It serves the plain one, too, where that is there: calls that ask for others share it.
    """
    wants_plain = options.network == "chosen" or _has_plain()
    official = wants_plain and arguments.model_file is None
    return LocalModels(names=options.official_models(), official=official)


def _has_plain() -> bool:
    try:
        return has_model(find_official(), MODEL_NAME)
    except OfficialWeightsError:
        return False


def refuse_missing_weights(arguments: Arguments, options: Options) -> None:
    """Refuses before anything starts what a server that is started here would lack.

    Raises:
        UsageError: There is no such file as `--model` names.
        OfficialWeightsError: Weights of a network that is asked for are not there.
    """
    if arguments.server:
        return
    local_models(arguments, options).arguments()
    file = arguments.model_file
    if file is not None and not file.is_file():
        raise UsageError(f"The provided model path does not exist: --model {file}")


@contextmanager
def connect(arguments: Arguments, options: Options) -> Iterator[Connected]:
    """The server that the flags ask for, with the networks loaded.

    Raises:
        SynthSegError: There is none, or none can be started.
    """
    with _connected(arguments, options) as connected:
        for name in (options.model_name, *options.companions()):
            _await_model(connected.session.beside(name))
        if arguments.model_file is not None:
            _refuse_other_table(connected.session.describe(), arguments)
        yield connected


@contextmanager
def _connected(arguments: Arguments, options: Options) -> Iterator[Connected]:
    if arguments.server:
        with Session(arguments.server) as session:
            yield Connected(session, lambda: None)
    elif arguments.keep_server:
        kept = kept_server(arguments, options)
        kept.start_if_needed()
        with Session(
            kept.address, timeout_s=_KEPT_TIMEOUT_S, revive=kept.start_if_needed
        ) as session:
            yield Connected(session, lambda: kept.pid)
    else:
        with (
            _own_server(arguments, options).start() as embedded,
            Session(embedded.address, revive=embedded.restart_if_dead) as session,
        ):
            session.at_close(embedded.give_up)
            yield Connected(session, lambda: embedded.pid)


def _own_server(arguments: Arguments, options: Options) -> LocalServer:
    return LocalServer(
        model_dir=arguments.model_file,
        models=local_models(arguments, options),
        threads=arguments.cores,
        cpu=arguments.cpu,
        start_timeout_s=START_TIMEOUT_S,
    )


def kept_server(arguments: Arguments, options: Options) -> KeptServer:
    """The server that is kept for calls like this one.

    Whatever networks they ask for, calls with one folder of weights share one.
    """
    told = local_models(arguments, options).arguments()
    file = arguments.model_file
    command = [str(file.absolute())] if file is not None else []
    command += [*told, "--threads", str(arguments.cores), *["--cpu"] * arguments.cpu]
    weights = [file] if file is not None else []
    if told:
        weights += _files_of(find_official())
    return KeptServer(
        arguments=command,
        stamps=tuple(stamps_of(weights)),
        minutes=arguments.keep_server,
        start_timeout_s=START_TIMEOUT_S,
    )


def _files_of(folder: Path) -> list[Path]:
    """Files whose change makes another set of weights."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read: {reason_of(error)}.") from error
    return [path for path in found if path.suffix in (".h5", ".config")]


def _await_model(session: Session) -> None:
    """Meets a model, which the server may have to load first; on a busy machine that takes long."""
    end = time.monotonic() + LOADING_TIMEOUT_S
    while True:
        try:
            meet(session)
            return
        except ServerTimeoutError:
            if time.monotonic() > end:
                raise


def _refuse_other_table(model: Model, arguments: Arguments) -> None:
    """Refuses weights that answer other labels than those of the version that was asked for."""
    expected, other = (SYNTHSEG_V1, SYNTHSEG_V2) if arguments.v1 else (SYNTHSEG_V2, SYNTHSEG_V1)
    answered = tuple(model.label_values.tolist())
    if answered == expected.values:
        return
    remedy = ""
    if answered == other.values:
        remedy = " Leave --v1 out." if arguments.v1 else " Add --v1."
    raise UsageError(
        f"--model {arguments.model}: answers {len(answered)} labels, expected the "
        f"{len(expected.values)} of SynthSeg {'1.0' if arguments.v1 else '2.0'}.{remedy}"
    )
