"""Work in this process or in others."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, NoReturn

import pytest
from distributed import Client
from generator_fixtures import Scheduler
from synthseg_common.errors import is_outage
from synthseg_generator.cluster.connection import open_cluster
from synthseg_generator.cluster.jobs import count_threads, run_all, run_ordered
from synthseg_generator.errors import LabelError, SchedulerError, StoreError


def fail_at_three(number: int) -> int:
    if number == 3:
        raise LabelError("three is wrong.")
    return number


def read_from_failing_disk() -> None:
    # Nothing is mapped at the address 0: reading there is an input/output error.
    try:
        Path("/proc/self/mem").read_bytes()
    except OSError as error:
        raise StoreError("the store cannot be read.") from error


def test_one_worker_starts_no_process() -> None:
    assert list(run_all(os.getpid, [()] * 3)) == [os.getpid()] * 3


def test_results_come_in_the_order_of_the_jobs_from_other_processes(cluster: Any) -> None:
    jobs = [(i, 3) for i in range(20)]
    found = run_all(divmod, jobs, scheduler=cluster.scheduler.address)
    assert list(found) == [divmod(i, 3) for i in range(20)]


def test_shared_arguments_come_first_here_and_there(cluster: Any) -> None:
    jobs, shared = [(3,), (4,)], (10,)
    for scheduler in (None, cluster.scheduler.address):
        assert list(run_all(divmod, jobs, shared=shared, scheduler=scheduler)) == [(3, 1), (2, 2)]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_error_keeps_its_type_and_text(cluster: Any, elsewhere: bool) -> None:
    scheduler = cluster.scheduler.address if elsewhere else None
    with pytest.raises(LabelError, match=r"three is wrong\."):
        list(run_all(fail_at_three, [(1,), (3,)], scheduler=scheduler))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_outage_is_one_wherever_it_happens(cluster: Any, elsewhere: bool) -> None:
    scheduler = cluster.scheduler.address if elsewhere else None
    with pytest.raises(StoreError) as caught:
        list(run_all(read_from_failing_disk, [(), ()], scheduler=scheduler))
    assert is_outage(caught.value)


def test_a_scheduler_lost_in_the_middle_is_an_outage_and_logs_nothing(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("distributed.client"), "handlers", [caplog.handler])
    process, address = scheduler
    results = run_all(time.sleep, [(0,), (600,)], scheduler=address)
    assert next(results) is None
    process.kill()
    with pytest.raises(SchedulerError, match="the same command") as caught:
        next(results)
    assert is_outage(caught.value)
    assert "\n" not in str(caught.value)
    assert not [r for r in caplog.records if r.name.startswith("distributed")]


def test_a_message_that_a_lost_scheduler_does_not_get_is_not_logged(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    _, address = scheduler
    lost = threading.Event()
    with open_cluster(1, address) as opened:
        client: Any = opened

        def lose_a_message() -> None:
            client.scheduler_comm.send({"op": "heartbeat-client"})
            client.scheduler_comm.comm.abort()  # before the message is on its way
            client.loop.call_later(0.1, lost.set)

        client.loop.add_callback(lose_a_message)
        assert lost.wait(60)
    assert not [r for r in caplog.records if r.name.startswith("distributed")]


def test_a_scheduler_lost_between_many_short_jobs_is_told_as_such(scheduler: Scheduler) -> None:
    process, address = scheduler
    results = run_all(divmod, [(n, 7) for n in range(100_000)], scheduler=address)
    assert next(results) == (0, 0)
    process.kill()
    with pytest.raises(SchedulerError, match="the same command"):
        deque(results, maxlen=0)


def test_a_scheduler_lost_while_nobody_asked_is_told_as_such(cluster: Any) -> None:
    with Client(cluster.scheduler.address, set_as_default=False) as client:
        results = run_ordered(client, divmod, [(n, 7) for n in range(9)], window=2)
        assert next(results) == (0, 0)
        client.close()  # as Dask does when a scheduler does not come back in time
        with pytest.raises(SchedulerError, match="the same command"):
            deque(results, maxlen=0)


def test_a_job_that_kills_its_workers_is_named(scheduler: Scheduler) -> None:
    _, address = scheduler
    with pytest.raises(SchedulerError, match="workers died again and again") as caught:
        list(run_all(os._exit, [(1,)], scheduler=address))
    assert "\n" not in str(caught.value)


def be_slow_and_time_out() -> NoReturn:
    time.sleep(0.5)
    raise TimeoutError("of the job's own")


def test_a_job_s_own_timeout_is_told_from_waiting(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthseg_generator.cluster.waits.LOOK_EVERY_S", 0.05)
    with pytest.raises(TimeoutError, match="of the job's own"):
        list(run_all(be_slow_and_time_out, [()], scheduler=cluster.scheduler.address))


def test_slow_jobs_are_waited_for_without_a_word(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("synthseg_generator.cluster.waits.LOOK_EVERY_S", 0.05)
    results = run_ordered(cluster, time.sleep, [(0.5,), (0.5,)], window=2, wait_s=0.1)
    assert list(results) == [None, None]
    assert not capsys.readouterr().err


def test_a_scheduler_without_workers_is_told_and_waited_for_so_long(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("synthseg_generator.cluster.waits.LOOK_EVERY_S", 0.05)
    _, address = scheduler
    with Client(address, set_as_default=False) as client:
        results = run_ordered(client, divmod, [(7, 2), (9, 2)], window=1, wait_s=0.2)
        assert next(results) == (3, 1)
        (worker,) = client.run(os.getpid).values()
        os.kill(worker, signal.SIGKILL)
        while client.nthreads():
            time.sleep(0.05)
        with pytest.raises(SchedulerError, match="has no worker, for 0 s now: start") as caught:
            next(results)
    assert is_outage(caught.value)
    assert (
        f"the Dask scheduler {address} has no worker: waiting 0 s more." in capsys.readouterr().err
    )


def test_a_scheduler_that_stops_answering_is_not_asked_for_its_threads_for_ever(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, address = scheduler
    with open_cluster(1, address) as client:
        client.wait_for_workers(1)
        assert count_threads(client) == sum(client.nthreads().values())
        monkeypatch.setattr("synthseg_generator.cluster.waits.ANSWER_TIMEOUT_S", 1)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(SchedulerError, match="did not answer within 1 s"):
                count_threads(client)
        finally:
            os.kill(process.pid, signal.SIGCONT)
