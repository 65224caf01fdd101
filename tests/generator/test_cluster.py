"""Work in this process or in others."""

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthseg_generator.cluster import run_all
from synthseg_generator.errors import LabelError, SchedulerError, StoreError, is_outage

START_S = 120


def fail_at_three(number):
    if number == 3:
        raise LabelError("three is wrong.")
    return number


def read_from_failing_disk():
    # Nothing is mapped at the address 0: reading there is an input/output error.
    try:
        Path("/proc/self/mem").read_bytes()
    except OSError as error:
        raise StoreError("the store cannot be read.") from error


def test_one_worker_starts_no_process():
    assert list(run_all(os.getpid, [()] * 3)) == [os.getpid()] * 3


def test_results_come_in_the_order_of_the_jobs_from_other_processes(cluster):
    jobs = [(i, 3) for i in range(20)]
    found = run_all(divmod, jobs, scheduler=cluster.scheduler.address)
    assert list(found) == [divmod(i, 3) for i in range(20)]


def test_shared_arguments_come_first_here_and_there(cluster):
    jobs, shared = [(3,), (4,)], (10,)
    for scheduler in (None, cluster.scheduler.address):
        assert list(run_all(divmod, jobs, shared=shared, scheduler=scheduler)) == [(3, 1), (2, 2)]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_error_keeps_its_type_and_text(cluster, elsewhere):
    scheduler = cluster.scheduler.address if elsewhere else None
    with pytest.raises(LabelError, match=r"three is wrong\."):
        list(run_all(fail_at_three, [(1,), (3,)], scheduler=scheduler))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_outage_is_one_wherever_it_happens(cluster, elsewhere):
    scheduler = cluster.scheduler.address if elsewhere else None
    with pytest.raises(StoreError) as caught:
        list(run_all(read_from_failing_disk, [(), ()], scheduler=scheduler))
    assert is_outage(caught.value)


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler and a worker that a test may kill, as processes of their own: (process, address).

    They write to files, since nobody reads their pipes.
    """
    file, log = tmp_path / "scheduler.json", (tmp_path / "log").open("wb")
    dask = [sys.executable, "-m", "distributed.cli.dask_"]

    def start(command, *options):
        parts = [*dask[:-1], dask[-1] + command, "--no-dashboard", f"--scheduler-file={file}"]
        return subprocess.Popen([*parts, *options], stdout=log, stderr=log)

    running = [start("scheduler", "--host=127.0.0.1", "--port=0")]
    try:
        running.append(start("worker", "--nthreads=2", "--no-nanny"))
        deadline = time.monotonic() + START_S
        while not file.exists() or not file.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield running[0], json.loads(file.read_text())["address"]
    finally:
        for process in running:
            process.kill()
            process.wait()
        log.close()


def test_a_scheduler_lost_in_the_middle_is_an_outage_and_logs_nothing(
    scheduler, caplog, monkeypatch
):
    monkeypatch.setattr(logging.getLogger("distributed.client"), "handlers", [caplog.handler])
    process, address = scheduler
    results = run_all(time.sleep, [(0,), (600,)], scheduler=address)
    assert next(results) is None
    process.kill()
    with pytest.raises(SchedulerError, match="the same command") as caught:
        next(results)
    assert is_outage(caught.value)
    assert "\n" not in str(caught.value)
    assert not caplog.records
