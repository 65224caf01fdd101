"""Work on many processes with Dask, or on none: the same results in the same order.

Workers run NumPy code; the functions that they are given decide what else is imported there.
Importing this module does not import Dask.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from synthseg_generator.cluster import waits
from synthseg_generator.cluster.connection import address_of, ask_threads, open_cluster
from synthseg_generator.cluster.losses import name_losses
from synthseg_generator.errors import SchedulerError

if TYPE_CHECKING:
    from distributed import Client, Future

Result = TypeVar("Result")

WORKERS_WAIT_S = 600.0
"""How long work waits while a scheduler has no worker."""
_SAY_EVERY_S = 30.0


def run_ordered(
    client: Client,
    function: Callable[..., Result],
    jobs: Iterable[Sequence[Any]],
    window: int,
    shared: Sequence[Any] = (),
    wait_s: float = WORKERS_WAIT_S,
) -> Iterator[Result]:
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
    waiting: deque[Future[Any]] = deque()
    remaining = iter(jobs)
    watch = _Watch(client, wait_s)
    with name_losses():
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

    def __init__(self, client: Client, limit_s: float) -> None:
        self._client = client
        self._limit_s = limit_s
        self._alone_since: float | None = None
        self._next_word = 0.0

    def result(self, future: Future[Any]) -> Any:
        """What a job returned.

        Raises:
            SchedulerError: Nobody is there to do it, for too long.
            Exception: What the job raised.
        """
        patience_s = waits.LOOK_EVERY_S
        while not _has_failed(future):
            try:
                result = future.result(timeout=patience_s)
            except TimeoutError:
                # It may be the job's own, which is raised below, or a result that takes long to
                # come, which needs a longer look.
                patience_s *= 2 if future.done() else 1
                if not _has_failed(future):
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
                f"(dask worker {address_of(self._client)}), then the same command."
            )
        if now >= self._next_word:
            self._next_word = now + _SAY_EVERY_S
            waits.say_missing(missing, left_s)

    def _missing(self) -> str | None:
        """Who is not there, in words."""
        address = address_of(self._client)
        try:
            workers = ask_threads(self._client)
        except TimeoutError:
            return f"the Dask scheduler {address} does not answer"
        return None if workers else f"the Dask scheduler {address} has no worker"


def _has_failed(future: Future[Any]) -> bool:
    return bool(future.status == "error")


def _call(function: Callable[..., Result], shared: Sequence[Any], job: Sequence[Any]) -> Result:
    return function(*shared, *job)


def run_all(
    function: Callable[..., Result],
    jobs: Sequence[Sequence[Any]],
    *,
    shared: Sequence[Any] = (),
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[Result]:
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


def count_threads(client: Client) -> int:
    """How many jobs a cluster does at once, 1 at least.

    Raises:
        SchedulerError: The scheduler does not answer, or is lost.
    """
    with name_losses():
        try:
            threads = ask_threads(client)
        except TimeoutError as error:
            raise SchedulerError(
                f"the Dask scheduler {address_of(client)} did not answer within "
                f"{waits.ANSWER_TIMEOUT_S} s: end it if it hangs."
            ) from error
    return max(1, sum(threads.values()))
