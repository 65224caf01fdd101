"""Work on many processes with Dask, or on none: the same results in the same order.

Workers run NumPy code; the functions that they are given decide what else is imported there.
Importing this module does not import Dask.
"""

from __future__ import annotations

import logging
import pickle
import pkgutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from synthseg_generator.errors import SchedulerError, StoreError

CONNECT_TIMEOUT_S = 20
# A task on workers that die is blamed for it after this many deaths; Dask's own limit of 3 gives up
# too early where nodes are pre-empted.
ALLOWED_WORKER_DEATHS = 20
_WORKER_START = "synthseg_generator.worker_start"


@contextmanager
def open_cluster(workers: int, scheduler: str | None = None) -> Iterator[Any]:
    """Connects to a Dask cluster, or starts worker processes of its own for as long as it is open.

    Args:
        workers: Worker processes to start, one thread each.
        scheduler: Address of a running scheduler (`tcp://host:port`); then none is started.

    Yields:
        A `distributed.Client`.

    Raises:
        SchedulerError: The scheduler does not answer.
        StoreError: Its address is none, or its workers lack this package.
    """
    import dask
    from distributed import Client, LocalCluster

    # Results come straight from the workers: through the scheduler they cost twice the processor
    # time. Where workers cannot be reached, Dask's own setting turns that off.
    options = {"set_as_default": False, "direct_to_workers": True}
    if dask.config.get("distributed.client.direct-to-workers", None) is False:
        options["direct_to_workers"] = False
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_TIMEOUT_S, **options)
        except ValueError as error:
            raise StoreError(
                f"{scheduler} is no address of a Dask scheduler (tcp://host:port): {error}"
            ) from error
        except OSError as error:
            raise SchedulerError(f"no Dask scheduler answers at {scheduler}: {error}") from error
        with _quiet(), client:
            _check_workers(client)
            yield client
        return
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_WORKER_DEATHS,
        "distributed.worker.daemon": True,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any port: several clusters may run on one machine
            preload=[_WORKER_START],
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, **options) as client,
    ):
        yield client


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
        answers = client.run(pkgutil.resolve_name, name, on_error="return")
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
            f"memory: {' '.join(str(error).split())}"
        ) from error


def run_ordered(
    client: Any,
    function: Callable[..., Any],
    jobs: Iterable[Sequence[Any]],
    window: int,
    shared: Sequence[Any] = (),
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

    Yields:
        What `function` returned, job by job.

    Raises:
        SchedulerError: The scheduler is lost, and with it the jobs in flight, or a job's workers
            die again and again.
    """
    waiting: deque[Any] = deque()
    remaining = iter(jobs)
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
                result = future.result()
                waiting.popleft()
                # Let the cluster forget the result now, not when Python collects the future.
                future.release()
                yield result
        finally:
            # Releasing does not wait for the cluster, which may be closed already.
            for future in (*waiting, common):
                future.release()


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
        with _losses():
            n_threads = max(1, sum(client.nthreads().values()))
        yield from run_ordered(client, function, jobs, 3 * n_threads, shared)
