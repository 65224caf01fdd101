"""Whether a server answers, what it serves, and how soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from synthseg_common.contract import BYTES_PER_VOXEL, counted_voxels
from synthseg_common.processing import DEFAULT_LIMIT

from synthseg_client.calls.session import Session
from synthseg_client.diagnosis.finding import Finding, Problem
from synthseg_client.embedded import is_installed
from synthseg_client.errors import (
    AccessDeniedError,
    EmbeddedServerError,
    ModelError,
    ServerBusyError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
    UnknownModelError,
)
from synthseg_client.model import Model

# The first that fits counts. The errors' own words name addresses, which a report shall not.
_PROBLEMS: tuple[tuple[type[ServerError], Problem], ...] = (
    (
        UnknownModelError,
        Problem("the server has no such model or version", "name one that it serves with --model"),
    ),
    (
        AccessDeniedError,
        Problem(
            "the server refuses these credentials, or its certificate is not trusted",
            "check the token (--token-file) and the authorities (--tls-ca)",
        ),
    ),
    (
        ServerTimeoutError,
        Problem(
            "the server did not answer in time",
            "ask again when it has started or has less to do, and look at its log",
        ),
    ),
    (
        ServerBusyError,
        Problem("the server's queue is full", "ask again when it has less to do"),
    ),
    (
        ServerUnreachableError,
        Problem(
            "no server answers at this address",
            "start it, and check HOST:PORT (gRPC, 8500 unless told otherwise) and the network",
        ),
    ),
    (
        ModelError,
        Problem(
            "what answers there is no model of this kind",
            "name the gRPC port (8500, not 8501) of a server with an exported model, and update "
            "the older of client and model",
        ),
    ),
    (ServerError, Problem("the server failed", "look at its log")),
)
_NOT_INSTALLED = Problem(
    "no server was named, and none can be started here",
    "name one with --server HOST:PORT, or pip install 'synthseg-serving[serving]'",
)
_NOT_STARTED = Problem(
    "the server that is started here did not start",
    "`synthseg-client labels` tells what it said",
)


Connect = Callable[[], AbstractContextManager[Session]]
"""Opens a session with the server; ends it, and the server if that was started here."""


def look_at_named_server(connect: Connect) -> Finding:
    """Asks a server that was named.

    Raises:
        UsageError: It cannot be asked like this.
    """
    facts: dict[str, object] = {"kind": "named", "reachable": False}
    try:
        with connect() as session:
            facts |= _facts_of(session)[0]
    except ServerError as error:
        return Finding(facts, (_problem_of(error),))
    return Finding(facts | {"reachable": True})


def look_at_own_server(connect: Connect | None) -> tuple[Finding, int | None]:
    """Finds out whether a server can be started here.

    Args:
        connect: Starts one to see; None does not.

    Returns:
        What was found; and how much memory the server takes for a scan, where that is known.

    Raises:
        UsageError: It cannot be started like this.
    """
    facts: dict[str, object] = {"kind": "started here", "installed": is_installed()}
    if not facts["installed"]:
        return Finding(facts, (_NOT_INSTALLED,)), None
    if connect is None:
        return Finding(facts), None
    started = time.perf_counter()
    try:
        with connect() as session:
            facts |= {"starts": True, "ready_s": round(time.perf_counter() - started, 2)}
            told, model = _facts_of(session)
    except EmbeddedServerError:
        return Finding(facts | {"starts": False}, (_NOT_STARTED,)), None
    except ServerError as error:
        return Finding(facts, (_problem_of(error),)), None
    return Finding(facts | told), _bytes_for_a_scan(model)


def _facts_of(session: Session) -> tuple[dict[str, object], Model]:
    """What a server says of itself, and how soon; it has been connected to before."""
    session.health()
    started = time.perf_counter()
    model = session.describe()
    answer_s = time.perf_counter() - started
    facts: dict[str, object] = {
        "health": session.health(),
        "model": model.title,
        "labels": model.n_labels,
        "answer_s": round(answer_s, 3),
    }
    return facts, model


def _bytes_for_a_scan(model: Model) -> int | None:
    told = model.info.get(BYTES_PER_VOXEL)
    return int(told * counted_voxels((DEFAULT_LIMIT,) * 3)) if told else None


def _problem_of(error: ServerError) -> Problem:
    return next(problem for kind, problem in _PROBLEMS if isinstance(error, kind))
