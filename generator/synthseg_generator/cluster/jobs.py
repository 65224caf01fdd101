"""Work on many processes with Dask, or on none: the same results in the same order.

Workers run NumPy code; the functions that they are given decide what else is imported there.
Importing this module does not import Dask.
"""

from __future__ import annotations

import logging
import pickle
import pkgutil
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

from synthseg_common.errors import one_line

from synthseg_generator.errors import SchedulerError, StoreError

CONNECT_TIMEOUT_S = 20
ANSWER_TIMEOUT_S = 60
"""How long a scheduler, or workers that it has, may take to answer."""
WORKERS_WAIT_S = 600.0
"""How long work waits while a scheduler has no worker."""
_SAY_EVERY_S = 30.0
_LOOK_EVERY_S = 5.0
# A task on workers that die is blamed for it after this many deaths; Dask's own limit of 3 gives up
# too early where nodes are pre-empted.
ALLOWED_WORKER_DEATHS = 20
_WORKER_START = "synthseg_generator.cluster.worker_start"


@contextmanager
def open_cluster(workers: int, scheduler: str | None = None) -> Iterator[Any]:
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
        client = _connected(scheduler, options)
        with _quiet(), client:
            _check_workers(client)
            yield client
        return
    with _local_cluster(workers) as cluster, Client(cluster, **options) as client:
        yield client


def _connected(scheduler: str, options: Mapping[str, Any]) -> Any:
    """A client of a running scheduler.

    Dask bounds the connection, but not what it asks then: a scheduler that hangs, or something else
    that listens there, would be waited for without end.
    """
    from distributed import Client
    from distributed.comm import get_address_host_port, normalize_address

    try:
        get_address_host_port(normalize_address(scheduler), strict=True)
    except (ValueError, NotImplementedError) as error:
        # Said before there is a client, which would take 40 s to end.
        raise StoreError(
            f"{scheduler} is no address of a Dask scheduler (tcp://host:port): {error}"
        ) from error
    answers: queue.Queue[Any] = queue.Queue()

    def connect() -> None:
        try:
            answers.put(Client(scheduler, timeout=CONNECT_TIMEOUT_S, **options))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=connect, name="connect", daemon=True).start()
    limit_s = CONNECT_TIMEOUT_S + ANSWER_TIMEOUT_S
    try:
        answer = _spoken_get(answers, limit_s, f"the Dask scheduler {scheduler} does not answer")
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


def _spoken_get(answers: queue.Queue[Any], limit_s: float, missing: str) -> Any:
    """What comes within the limit, else `queue.Empty`; says what is missing if it takes a while."""
    with suppress(queue.Empty):
        return answers.get(timeout=min(_LOOK_EVERY_S, limit_s))
    left_s = max(0.0, limit_s - _LOOK_EVERY_S)
    _say(missing, left_s)
    return answers.get(timeout=left_s)


def _say(missing: str, left_s: float) -> None:
    print(f"{missing}: waiting {left_s:.0f} s more.", file=sys.stderr, flush=True)


@contextmanager
def _local_cluster(workers: int) -> Iterator[Any]:
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
    """Without what a client logs, traceback and all, where its scheduler is lost: we raise that."""
    logger = logging.getLogger("distributed.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check_workers(client: Any) -> None:
    """Refuses workers without this package: they close at the first task, and nothing is said."""
    with _losses():
        # Of the standard library, so that every worker can be asked.
        name = f"{__name__}:CONNECT_TIMEOUT_S"
        try:
            answers = client.sync(
                client._run,
                pkgutil.resolve_name,
                name,
                on_error="return",
                callback_timeout=ANSWER_TIMEOUT_S,
            )
        except TimeoutError as error:
            raise SchedulerError(
                f"the workers of the Dask scheduler {client.scheduler.address} did not answer "
                f"within {ANSWER_TIMEOUT_S} s: end those that hang."
            ) from error
    for worker, answer in answers.items():
        if isinstance(answer, ImportError):
            raise StoreError(
                f"the Dask worker {worker} lacks this package ({answer}): install the same version "
                "of synthseg-serving where the workers run."
            )


@contextmanager
def _losses() -> Iterator[None]:
    """Names what ends work on a cluster other than the work itself.

    Raises:
        SchedulerError: The scheduler is lost, or a task's workers are, again and again.
    """
    from distributed import KilledWorker
    from distributed.client import ClosedClientError
    from distributed.comm import CommClosedError

    try:
        yield
    except (CancelledError, ClosedClientError, CommClosedError) as error:
        # Nobody cancels or closes here, but Dask, where a scheduler is gone.
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise SchedulerError(
            f"the Dask scheduler was lost ({reason or 'the connection was closed'}). "
            "Start it again, then the same command."
        ) from error
    except KilledWorker as error:
        raise SchedulerError(
            "the Dask workers died again and again over one task, most often of too little "
            f"memory: {one_line(error)}."
        ) from error


def run_ordered(
    client: Any,
    function: Callable[..., Any],
    jobs: Iterable[Sequence[Any]],
    window: int,
    shared: Sequence[Any] = (),
    wait_s: float = WORKERS_WAIT_S,
) -> Iterator[Any]:
    """Runs jobs on a cluster and yields their results in the order of the jobs.

    At most `window` jobs are submitted and not yet yielded, which bounds the memory of both sides.
    A job whose worker dies runs again elsewhere, so `function` must give the same result twice.

    Args:
        client: A `distributed.Client`.
        function: Called with the elements of `shared`, then those of a job.
        jobs: Arguments of each call; read only as far as the window reaches.
        window: Jobs in flight, at least 1.
        shared: Leading arguments of every call, sent to each worker once.
        wait_s: How long to wait while the cluster has no worker; jobs take what they take.

    Yields:
        What `function` returned, job by job.

    Raises:
        SchedulerError: The scheduler is lost or has no worker for too long, and with it the jobs in
            flight, or a job's workers die again and again.
    """
    waiting: deque[Any] = deque()
    remaining = iter(jobs)
    watch = _Watch(client, wait_s)
    with _losses():
        # A task and not scattered data: it is made again when the worker that holds it dies.
        common = client.submit(pickle.loads, pickle.dumps(tuple(shared)), pure=False)
        try:
            while True:
                while len(waiting) < window and (job := next(remaining, None)) is not None:
                    waiting.append(client.submit(_call, function, common, job, pure=False))
                if not waiting:
                    return
                future = waiting[0]
                result = watch.result(future)
                waiting.popleft()
                # Let the cluster forget the result now, not when Python collects the future.
                future.release()
                yield result
        finally:
            # Releasing does not wait for the cluster, which may be closed already.
            for future in (*waiting, common):
                future.release()


class _Watch:
    """Waits for results, and looks after those who make them.

    Args:
        client: A `distributed.Client`.
        limit_s: How long there may be nobody.
    """

    def __init__(self, client: Any, limit_s: float) -> None:
        self._client = client
        self._limit_s = limit_s
        self._alone_since: float | None = None
        self._next_word = 0.0

    def result(self, future: Any) -> Any:
        """What a job returned.

        Raises:
            SchedulerError: Nobody is there to do it, for too long.
            Exception: What the job raised.
        """
        patience_s = _LOOK_EVERY_S
        while future.status != "error":
            try:
                result = future.result(timeout=patience_s)
            except TimeoutError:
                # It may be the job's own, which is raised below, or a result that takes long to
                # come, which needs a longer look.
                patience_s *= 2 if future.done() else 1
                if future.status != "error":
                    self._look()
            else:
                self._alone_since = None
                return result
        return future.result()

    def _look(self) -> None:
        missing = self._missing()
        now = time.monotonic()
        if missing is None:
            self._alone_since = None
            return
        if self._alone_since is None:
            self._alone_since = self._next_word = now
        left_s = self._alone_since + self._limit_s - now
        if left_s <= 0:
            raise SchedulerError(
                f"{missing}, for {self._limit_s:.0f} s now: start workers there "
                f"(dask worker {self._client.scheduler.address}), then the same command."
            )
        if now >= self._next_word:
            self._next_word = now + _SAY_EVERY_S
            _say(missing, left_s)

    def _missing(self) -> str | None:
        """Who is not there, in words."""
        address = self._client.scheduler.address
        try:
            workers = self._client.sync(
                self._client.scheduler.ncores, callback_timeout=ANSWER_TIMEOUT_S
            )
        except TimeoutError:
            return f"the Dask scheduler {address} does not answer"
        return None if workers else f"the Dask scheduler {address} has no worker"


def _call(function: Callable[..., Any], shared: Sequence[Any], job: Sequence[Any]) -> Any:
    return function(*shared, *job)


def run_all(
    function: Callable[..., Any],
    jobs: Sequence[Sequence[Any]],
    *,
    shared: Sequence[Any] = (),
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[Any]:
    """Runs jobs here (one worker, no scheduler) or on a cluster; results in the order of the jobs.

    Args:
        function: Called with the elements of `shared`, then those of a job; importable by name in
            a worker.
        jobs: Arguments of each call.
        shared: Leading arguments of every call, sent to each worker once.
        workers: Worker processes; 1 starts none.
        scheduler: Address of a running Dask scheduler to use instead.

    Yields:
        What `function` returned, job by job.

    Raises:
        SchedulerError: The scheduler does not answer, or is lost.
        StoreError: Its address is none.
    """
    if scheduler is None and (workers == 1 or len(jobs) <= 1):
        for job in jobs:
            yield function(*shared, *job)
        return
    with open_cluster(min(workers, len(jobs)), scheduler) as client:
        yield from run_ordered(client, function, jobs, 3 * count_threads(client), shared)


def count_threads(client: Any) -> int:
    """How many jobs a cluster does at once, 1 at least.

    Raises:
        SchedulerError: The scheduler does not answer, or is lost.
    """
    with _losses():
        try:
            threads = client.sync(client.scheduler.ncores, callback_timeout=ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            raise SchedulerError(
                f"the Dask scheduler {client.scheduler.address} did not answer within "
                f"{ANSWER_TIMEOUT_S} s: end it if it hangs."
            ) from error
    return max(1, sum(threads.values()))
