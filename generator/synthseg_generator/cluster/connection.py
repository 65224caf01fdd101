"""Connects to a Dask cluster, or starts one of worker processes. Importing this loads no Dask."""

from __future__ import annotations

import logging
import pkgutil
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from synthseg_generator.cluster import waits
from synthseg_generator.cluster.losses import name_losses
from synthseg_generator.errors import SchedulerError, StoreError

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

Answer = TypeVar("Answer")

CONNECT_TIMEOUT_S = 20
# A task on workers that die is blamed for it after this many deaths; Dask's own limit of 3 gives up
# too early where nodes are pre-empted.
ALLOWED_WORKER_DEATHS = 20
_WORKER_START = "synthseg_generator.cluster.worker_start"


@contextmanager
def open_cluster(workers: int, scheduler: str | None = None) -> Iterator[Client]:
    """Connects to a Dask cluster, or starts worker processes of its own for as long as it is open.

    Args:
        workers: Worker processes to start, one thread each.
        scheduler: Address of a running scheduler (`tcp://host:port`); then none is started.

    Yields:
        A `distributed.Client`.

    Raises:
        SchedulerError: The scheduler does not answer, or the worker processes do not start.
        StoreError: Its address is none, or its workers lack this package.
    """
    import dask
    from distributed import Client

    # Results come straight from the workers: through the scheduler they cost twice the processor
    # time. Where workers cannot be reached, Dask's own setting turns that off.
    options = {"set_as_default": False, "direct_to_workers": True}
    if dask.config.get("distributed.client.direct-to-workers", None) is False:
        options["direct_to_workers"] = False
    if scheduler is not None:
        with _quiet(), _connect(scheduler, options) as client:
            _check_workers(client)
            yield client
        return
    with _start_workers(workers) as cluster, Client(cluster, **options) as client:
        yield client


def address_of(client: Client) -> str:
    """Address of a client's scheduler, also of one that is lost."""
    return "" if client.scheduler is None else str(client.scheduler.address)


def ask_threads(client: Client) -> dict[str, int]:
    """Threads of every worker by its address.

    Raises:
        SchedulerError: The client is closed.
        TimeoutError: The scheduler does not answer.
    """
    if client.scheduler is None:
        raise SchedulerError("the connection to the Dask scheduler was closed.")
    threads: dict[str, int] = client.sync(
        client.scheduler.ncores, callback_timeout=waits.ANSWER_TIMEOUT_S
    )
    return threads


def _connect(scheduler: str, options: Mapping[str, Any]) -> Client:
    """A client of a running scheduler.

    Dask bounds the connection, but not what it asks then: a scheduler that hangs, or something else
    that listens there, would be waited for without end.
    """
    from distributed import Client
    from distributed.comm.addressing import get_address_host_port, normalize_address

    try:
        get_address_host_port(normalize_address(scheduler), strict=True)
    except (ValueError, NotImplementedError) as error:
        # Said before there is a client, which would take 40 s to end.
        raise StoreError(
            f"{scheduler} is no address of a Dask scheduler (tcp://host:port): {error}"
        ) from error
    answers: queue.Queue[Client | Exception] = queue.Queue()

    def connect() -> None:
        try:
            answers.put(Client(scheduler, timeout=CONNECT_TIMEOUT_S, **options))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=connect, name="connect", daemon=True).start()
    limit_s = CONNECT_TIMEOUT_S + waits.ANSWER_TIMEOUT_S
    try:
        answer = _wait_for_answer(
            answers, limit_s, f"the Dask scheduler {scheduler} does not answer"
        )
    except queue.Empty as error:
        raise SchedulerError(
            f"no Dask scheduler answers at {scheduler}, though something listens there."
        ) from error
    if isinstance(answer, ValueError):
        raise StoreError(
            f"{scheduler} is no address of a Dask scheduler (tcp://host:port): {answer}"
        ) from answer
    if isinstance(answer, OSError):
        raise SchedulerError(f"no Dask scheduler answers at {scheduler}: {answer}") from answer
    if isinstance(answer, Exception):
        raise answer
    return answer


def _wait_for_answer(answers: queue.Queue[Answer], limit_s: float, missing: str) -> Answer:
    """What comes within the limit, else `queue.Empty`; says what is missing if it takes a while."""
    with suppress(queue.Empty):
        return answers.get(timeout=min(waits.LOOK_EVERY_S, limit_s))
    left_s = max(0.0, limit_s - waits.LOOK_EVERY_S)
    waits.say_missing(missing, left_s)
    return answers.get(timeout=left_s)


@contextmanager
def _start_workers(workers: int) -> Iterator[LocalCluster]:
    import dask
    from distributed import LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_WORKER_DEATHS,
        "distributed.worker.daemon": True,
    }
    with dask.config.set(settings):
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any port: several clusters on one machine
                preload=[_WORKER_START],
                silence_logs=logging.CRITICAL,
            )
        except (OSError, RuntimeError) as error:
            # As `distributed` says that a process ended, or took too long (a `TimeoutError`).
            cause = error.__cause__ or error
            raise SchedulerError(
                f"{workers} Dask worker processes could not be started on this machine: "
                f"{' '.join(str(cause).split()) or type(cause).__name__}."
            ) from error
        with cluster:
            yield cluster


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Dask logs, traceback and all, where a scheduler is lost: we raise that.

    The client says it, or what sends its messages, whichever comes first; both are silenced by
    the two loggers that `distributed` gives a level.
    """
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _check_workers(client: Client) -> None:
    """Refuses workers without this package: they close at the first task, and nothing is said."""
    with name_losses():
        # Of the standard library, so that every worker can be asked.
        name = f"{__name__}:CONNECT_TIMEOUT_S"
        try:
            answers = client.sync(
                client._run,
                pkgutil.resolve_name,
                name,
                on_error="return",
                callback_timeout=waits.ANSWER_TIMEOUT_S,
            )
        except TimeoutError as error:
            raise SchedulerError(
                f"the workers of the Dask scheduler {address_of(client)} did not answer "
                f"within {waits.ANSWER_TIMEOUT_S} s: end those that hang."
            ) from error
    for worker, answer in answers.items():
        if isinstance(answer, ImportError):
            raise StoreError(
                f"the Dask worker {worker} lacks this package ({answer}): install the same version "
                "of synthseg-serving where the workers run."
            )
