"""Work in this process or in others."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import pytest
from distributed import Client
from synthseg_common.errors import is_outage
from synthseg_generator.cluster.jobs import count_threads, open_cluster, run_all, run_ordered
from synthseg_generator.errors import LabelError, SchedulerError, StoreError


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


def test_ctrl_c_reaches_the_caller_and_not_the_workers(tmp_path):
    (tmp_path / "caller.py").write_text("""
import os, signal, time
from synthseg_generator.cluster.jobs import open_cluster

if __name__ == "__main__":
    told = []
    signal.signal(signal.SIGINT, lambda *_: told.append(True))
    with open_cluster(2) as client:
        before = client.run(os.getpid)
        print("ready", flush=True)
        while not told:
            time.sleep(0.01)
        time.sleep(1)
        print("the same" if client.run(os.getpid) == before else "others")
""")
    caller = subprocess.Popen(
        [sys.executable, str(tmp_path / "caller.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert caller.stdout.readline() == "ready\n"
        os.killpg(caller.pid, signal.SIGINT)  # as a terminal does
        out, err = caller.communicate(timeout=300)
    finally:
        caller.kill()
        caller.communicate()
    assert (caller.returncode, out) == (0, "the same\n")
    assert "KeyboardInterrupt" not in err


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
    assert not [r for r in caplog.records if r.name.startswith("distributed")]


def test_a_scheduler_lost_between_many_short_jobs_is_told_as_such(scheduler):
    process, address = scheduler
    results = run_all(divmod, [(n, 7) for n in range(100_000)], scheduler=address)
    assert next(results) == (0, 0)
    process.kill()
    with pytest.raises(SchedulerError, match="the same command"):
        deque(results, maxlen=0)


def test_a_scheduler_lost_while_nobody_asked_is_told_as_such(cluster):
    with Client(cluster.scheduler.address, set_as_default=False) as client:
        results = run_ordered(client, divmod, [(n, 7) for n in range(9)], window=2)
        assert next(results) == (0, 0)
        client.close()  # as Dask does when a scheduler does not come back in time
        with pytest.raises(SchedulerError, match="the same command"):
            deque(results, maxlen=0)


def test_a_job_that_kills_its_workers_is_named(scheduler):
    _, address = scheduler
    with pytest.raises(SchedulerError, match="workers died again and again") as caught:
        list(run_all(os._exit, [(1,)], scheduler=address))
    assert "\n" not in str(caught.value)


@pytest.fixture
def older(tmp_path_factory):
    """A folder with an older version of the package, as far as a worker imports it."""
    folder = tmp_path_factory.mktemp("older")
    (folder / "synthseg_generator").mkdir()
    (folder / "synthseg_generator" / "__init__.py").touch()
    return folder


def test_workers_without_this_package_are_named_before_they_are_given_work(older, scheduler_with):
    with scheduler_with(PYTHONPATH=str(older)) as (_, address):
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(1)
        with pytest.raises(StoreError, match=r"worker tcp://.* lacks this package .*install"):
            list(run_all(divmod, [(1, 1)], scheduler=address))


def be_slow_and_time_out():
    time.sleep(0.5)
    raise TimeoutError("of the job's own")


def test_a_job_s_own_timeout_is_told_from_waiting(cluster, monkeypatch):
    monkeypatch.setattr("synthseg_generator.cluster.jobs._LOOK_EVERY_S", 0.05)
    with pytest.raises(TimeoutError, match="of the job's own"):
        list(run_all(be_slow_and_time_out, [()], scheduler=cluster.scheduler.address))


def test_slow_jobs_are_waited_for_without_a_word(cluster, monkeypatch, capsys):
    monkeypatch.setattr("synthseg_generator.cluster.jobs._LOOK_EVERY_S", 0.05)
    results = run_ordered(cluster, time.sleep, [(0.5,), (0.5,)], window=2, wait_s=0.1)
    assert list(results) == [None, None]
    assert not capsys.readouterr().err


def test_a_scheduler_without_workers_is_told_and_waited_for_so_long(scheduler, monkeypatch, capsys):
    monkeypatch.setattr("synthseg_generator.cluster.jobs._LOOK_EVERY_S", 0.05)
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


@pytest.mark.parametrize("stopped", ["scheduler", "worker"])
def test_what_does_not_answer_is_not_waited_for_for_ever(scheduler, monkeypatch, stopped):
    """As a machine that is suspended, or a process that a debugger holds."""
    monkeypatch.setattr("synthseg_generator.cluster.jobs.ANSWER_TIMEOUT_S", 1)
    monkeypatch.setattr("synthseg_generator.cluster.jobs.CONNECT_TIMEOUT_S", 2)
    process, address = scheduler
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(1)
        (worker,) = client.run(os.getpid).values()
    pid = process.pid if stopped == "scheduler" else worker
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(SchedulerError, match="answer"):
            list(run_all(divmod, [(1, 1)], scheduler=address))
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_scheduler_that_stops_answering_is_not_asked_for_its_threads_for_ever(
    scheduler, monkeypatch
):
    process, address = scheduler
    with open_cluster(1, address) as client:
        client.wait_for_workers(1)
        assert count_threads(client) == sum(client.nthreads().values())
        monkeypatch.setattr("synthseg_generator.cluster.jobs.ANSWER_TIMEOUT_S", 1)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(SchedulerError, match="did not answer within 1 s"):
                count_threads(client)
        finally:
            os.kill(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://localhost"])
def test_what_is_no_address_is_one_line(address):
    program = "from synthseg_generator.cluster.jobs import run_all\n"
    program += "from synthseg_generator.cli import main\n"
    program += f"main.command('go')(lambda: list(run_all(divmod, [(1, 1)], scheduler={address!r})))"
    program += "\nmain(['go'])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        f"Error: {address} is no address of a Dask scheduler (tcp://host:port): "
    )


def test_an_address_without_a_scheme_is_one_of_tcp(scheduler):
    _, address = scheduler
    found = run_all(divmod, [(7, 2)], scheduler=address.removeprefix("tcp://"))
    assert list(found) == [(3, 1)]


def test_the_wait_for_what_takes_connections_and_says_nothing_is_told(monkeypatch, capsys):
    monkeypatch.setattr("synthseg_generator.cluster.jobs._LOOK_EVERY_S", 0.1)
    monkeypatch.setattr("synthseg_generator.cluster.jobs.CONNECT_TIMEOUT_S", 1)
    monkeypatch.setattr("synthseg_generator.cluster.jobs.ANSWER_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SchedulerError, match="no Dask scheduler answers at"):
            list(run_all(divmod, [(1, 1)], scheduler=address))
    said = capsys.readouterr().err
    assert said == f"the Dask scheduler {address} does not answer: waiting 2 s more.\n"


def test_worker_processes_that_do_not_start_are_named(monkeypatch):
    monkeypatch.setattr(
        "synthseg_generator.cluster.jobs._WORKER_START", "synthseg_generator.nothing"
    )
    with pytest.raises(SchedulerError, match="2 Dask worker processes could not be started"):
        list(run_all(divmod, [(1, 1), (2, 1)], workers=2))
