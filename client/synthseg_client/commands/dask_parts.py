"""A dataset in parts on the processes of a Dask cluster, for sites that run one.

A part is what `--shard K/N --resume` works on: one that was lost with its worker is done again on
another, where its finished scans are skipped.
"""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synthseg_common.errors import ALL_DONE, TRY_AGAIN, exit_code_of, one_line

from synthseg_client.batch.folders import with_folders
from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.commands.connection import connect
from synthseg_client.commands.report import say
from synthseg_client.commands.segment import prepare
from synthseg_client.commands.segment_options import Course, Modes, Places, Telling
from synthseg_client.commands.server_options import ServerOptions
from synthseg_client.errors import ClientError, ServerUnreachableError, UsageError
from synthseg_client.storage.mirror import Mirror

if TYPE_CHECKING:
    from distributed import Client

_PARTS_PER_THREAD = 4
"""So that slow parts at the end keep few workers waiting, and a lost one costs little."""
_CONNECT_S = 30
_RETRIES = 3


@dataclass(frozen=True)
class PartOfDataset:
    """What a worker is told to do.

    Attributes:
        places: Which scans, and where results go.
        modes: How to segment.
        course: How to go through them, with the part.
        server: Which server.
        stop: Name of the event that ends the work.
    """

    places: Places
    modes: Modes
    course: Course
    server: ServerOptions
    stop: str


@dataclass(frozen=True)
class Told:
    """What came of a part.

    Attributes:
        lines: A JSON object for each scan.
        summary: A line for each scan that failed.
        error: Why the part could not be begun, or is not finished.
        code: Exit code of the command that does the same.
    """

    lines: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()
    error: str = ""
    code: int = ALL_DONE


def segment_on_dask(
    scheduler: str,
    places: Places,
    modes: Modes,
    course: Course,
    telling: Telling,
    server: ServerOptions,
) -> int:
    """Segments a dataset on a cluster; returns the exit code.

    Raises:
        UsageError: An option does not go with a cluster, or Dask is not installed.
        ServerUnreachableError: No scheduler answers, or it has no workers.
    """
    _refuse_contradictions(places, course, server)
    with _connected(scheduler) as client, client.as_current():
        threads = sum(client.nthreads().values())
        if not threads:
            raise ServerUnreachableError(f"{scheduler}: has no workers: start some.")
        count, stop = threads * _PARTS_PER_THREAD, f"synthseg-stop-{secrets.token_hex(8)}"
        parts = [
            PartOfDataset(
                places,
                modes,
                replace(course, dask=None, resume=True, shard=f"{k}/{count}"),
                server,
                stop,
            )
            for k in range(1, count + 1)
        ]
        return _tell(_results(client, parts, stop), telling)


def segment_part(part: PartOfDataset) -> Told:
    """Segments a part of a dataset, on a worker; errors that are ours come back in words."""
    try:
        with Mirror() as mirror:
            try:
                plan, settings = prepare(part.places, part.modes, part.course, mirror)
                plan, _ = with_folders(plan)
                outcomes = [Outcome(r.task, "failed", error=r.reason) for r in plan.refused]
                if plan.tasks:
                    with connect(part.server, RetryPolicy()) as session:
                        for outcome in run_batch(session, plan, settings):
                            outcomes.append(outcome)
                            if _is_stopped(part.stop):
                                break
            except ClientError as error:
                raise mirror.with_told(error) from error.__cause__
            return _told(outcomes, plan, mirror)
    except ClientError as error:
        return Told(error=one_line(error), code=exit_code_of(error))


def _told(outcomes: list[Outcome], plan: BatchPlan, mirror: Mirror) -> Told:
    failed = [o for o in outcomes if o.status == "failed"]
    named = (f"{o.task.title}: {o.error.removeprefix(f'{o.task.title}: ')}" for o in failed)
    is_whole = len(outcomes) == len(plan.tasks) + len(plan.refused)
    return Told(
        tuple(o.to_json(mirror.told) for o in outcomes),
        tuple(mirror.told(f"FAILED {line}") for line in named),
        "" if is_whole else "was stopped; --resume goes on from here.",
        TRY_AGAIN if failed or not is_whole else ALL_DONE,
    )


def _is_stopped(name: str) -> bool:
    from distributed import Event

    return bool(Event(name).is_set())


def _refuse_contradictions(places: Places, course: Course, server: ServerOptions) -> None:
    server.refuse_contradictions()
    if server.server is None:
        raise UsageError("--dask: name a model server that all workers reach, --server.")
    if course.shard is not None:
        raise UsageError("--dask --shard: both divide the dataset, choose one of them.")
    if places.report is not None:
        raise UsageError("--report: is not made with --dask; synthseg-client report makes it.")
    if importlib.util.find_spec("distributed") is None:
        raise UsageError(
            "--dask needs dask.distributed, not installed here: "
            "pip install 'synthseg-serving[dask]'."
        )


def _connected(scheduler: str) -> Client:
    from distributed import Client

    try:
        return Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except ValueError as error:
        raise UsageError(f"--dask {scheduler}: expected tcp://HOST:PORT.") from error
    except OSError as error:
        raise ServerUnreachableError(f"{scheduler}: no Dask scheduler answers.") from error


def _results(client: Client, parts: list[PartOfDataset], stop: str) -> Iterator[Told]:
    """What came of the parts, as they end; a part that was lost too often is told of."""
    from distributed import Event, as_completed

    futures = {
        client.submit(segment_part, part, pure=False, retries=_RETRIES): part for part in parts
    }
    try:
        for future in as_completed(futures):
            if future.status == "finished":
                yield future.result()
                continue
            cause = future.exception() if future.status == "error" else None
            why = one_line(cause) if cause else "the scheduler let go of it"
            lost = f"part {futures[future].course.shard}: {why}; --resume goes on from here."
            yield Told(error=lost, code=TRY_AGAIN)
    except BaseException:
        Event(stop, client=client).set()  # those at work end after the scan that they have
        raise


def _tell(results: Iterator[Told], telling: Telling) -> int:
    """Prints what is told; returns the worst exit code."""
    code = scans = failed = 0
    for told in results:
        code = max(code, told.code)
        scans, failed = scans + len(told.lines), failed + len(told.summary)
        for line in told.lines if telling.as_json else ():
            say(line)
        for line in (*told.summary, *filter(None, [told.error])):
            say(line, err=True)
    if not telling.quiet:
        say(f"{scans} scans, {failed} failed", err=True)
    return code
