"""Real processes: two replicas, two workers over TCP that Dask feeds, killed and told to stop."""

import contextlib
import dataclasses
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from s3_server import s3_server
from synthseg_common import object_storage as storage
from synthseg_common.arrays import AnyArray
from synthseg_common.object_storage import join
from synthseg_generator.cluster.connection import open_cluster
from synthseg_trainer.config import load_settings
from synthseg_trainer.errors import ConfigError
from synthseg_trainer.places import Place
from synthseg_trainer.runs.checkpoints import checkpoint_folders, latest_checkpoint, step_of
from synthseg_trainer.runs.mirror import Mirror, fetched
from synthseg_trainer.training.distribution import (
    check_replicas,
    choose_strategy,
    is_chief,
    samples_per_replica,
    shard_of,
)
from synthseg_trainer.training.loop import train
from typed import there

# Seconds of work that a busy machine stretches to minutes.
pytestmark = pytest.mark.timeout(1500)
WORKER = Path(__file__).with_name("recorded_run.py")
STEPS = 5
# Batch normalisation, two losses, and optimizers that do not blow rounding up to whole steps.
# Clipping and the average have sums and copies of their own, and one worker scores alone.
RUN = """
store: {store}
batch_size: 4
accumulate_steps: 2
network: {{stem: 2, features: 2, n_levels: 2, convs_per_level: 1}}
scored_subvoxels: 3
optimizer: muon
adam: {{epsilon: 0.001, clip_norm: 0.5}}
average_decay: 0.5
validation: {{maps: [head_2], every_steps: 4, samples: 1}}
generator:
  crop: {{shape: [16, 16, 16], placement: centred, jitter: 2}}
  elastic: {{squarings: 1}}
stages:
  - {{name: warm-up, steps: 2, loss: wl2, learning_rate: 0.01}}
  - {{name: rest, steps: {rest}, loss: dice_cross_entropy, learning_rate: 0.01}}
checkpoint_steps: 1
keep_checkpoints: 2
"""
# One stage and no scores: a process has one step to trace, which takes most of its time.
LONG_RUN = """
store: {store}
batch_size: 2
network: {{stem: 2, features: 2, n_levels: 2, convs_per_level: 1}}
scored_subvoxels: 3
optimizer: muon
adam: {{epsilon: 0.001, clip_norm: 0.5}}
average_decay: 0.5
generator:
  crop: {{shape: [16, 16, 16], placement: centred, jitter: 2}}
  elastic: {{squarings: 1}}
stages:
  - {{name: only, steps: 100000, loss: dice_cross_entropy, learning_rate: 0.01}}
checkpoint_steps: 1
keep_checkpoints: 2
"""


Workers = tuple[Callable[..., subprocess.Popen[str]], Path, list[str]]
"""What starts a worker of two, their run, and their addresses."""


@pytest.fixture(scope="module")
def config(head_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A function that writes a run of four samples per step."""

    def write(steps: int) -> Path:
        path = tmp_path_factory.mktemp("config") / "run.yaml"
        path.write_text(RUN.format(store=head_store, rest=steps - 2))
        return path

    return write


@pytest.fixture(scope="module")
def long_config(head_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two samples per step that no test waits for the end of."""
    path = tmp_path_factory.mktemp("long") / "run.yaml"
    path.write_text(LONG_RUN.format(store=head_store))
    return path


@pytest.fixture(scope="module")
def single(
    config: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, AnyArray]:
    """What the run records on one device with the whole batch, in this process."""
    folder = tmp_path_factory.mktemp("single")
    options = {"config": config(STEPS), "run": folder / "run", "record": folder / "record.npz"}
    # Replicas take 0 and 2 in the first pass: batch normalisation needs the same ones here.
    record_run = runpy.run_path(str(WORKER))["record_run"]
    assert record_run({**options, "order": [0, 2, 1, 3]})
    return _read(folder / "record.npz")


def _read(record: Path) -> dict[str, AnyArray]:
    with np.load(record) as file:
        return {name: file[name] for name in file.files}


def _start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(process: subprocess.Popen[str], expected: int = 0) -> str:
    try:
        output, _ = process.communicate(timeout=1200)
    finally:
        process.kill()
    assert process.returncode == expected, output[-3000:]
    return output


def _finish_all(processes: list[subprocess.Popen[str]], expected: int) -> None:
    try:
        for process in processes:
            _finish(process, expected)
    finally:
        # Nothing of one that waits for a fallen one stays behind.
        for process in processes:
            process.kill()
            process.wait()
            there(process.stdout).close()


def _assert_learned_the_same(record: dict[str, AnyArray], single: dict[str, AnyArray]) -> None:
    np.testing.assert_allclose(record["losses"], single["losses"], rtol=1e-5)
    # A voxel whose two best labels come close may change sides; at a worker the run goes on.
    scores = single["scores"][: len(record["scores"])]
    np.testing.assert_allclose(record["scores"], scores, atol=0.01)
    for name in single.keys() - {"losses", "samples", "scores", "refusals"}:
        for replica in record[name]:
            np.testing.assert_array_equal(replica, record[name][0], err_msg=name)
        np.testing.assert_allclose(record[name][0], single[name][0], atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def two_replicas(
    config: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, AnyArray]:
    """What a process with two replicas on the CPU records."""
    folder = tmp_path_factory.mktemp("replicas")
    options = {"config": config(STEPS), "run": folder, "record": folder / "r.npz"}
    _finish(_start(WORKER, json.dumps({**options, "replicas": 2}, default=str)))
    return _read(folder / "r.npz")


def test_two_replicas_learn_what_one_device_learns(
    two_replicas: dict[str, AnyArray], single: dict[str, AnyArray]
) -> None:
    """Each takes two of the four samples: losses, weights, their average, moving statistics."""
    np.testing.assert_array_equal(two_replicas["samples"], single["samples"])
    assert two_replicas["unet_bn_down_0/moving_mean"].shape[0] == 2
    assert len(two_replicas["scores"]) == 2
    _assert_learned_the_same(two_replicas, single)


def test_an_overflow_on_one_replica_leaves_the_step_out_on_all(
    two_replicas: dict[str, AnyArray],
) -> None:
    first, left_out, following = two_replicas["overflow"]
    np.testing.assert_array_equal(left_out, first)
    assert np.all(following != first)
    np.testing.assert_array_equal(following[0], following[1])


def test_two_workers_fed_by_dask_learn_what_one_device_learns(
    config: Callable[[int], Path], single: dict[str, AnyArray], tmp_path: Path
) -> None:
    """And leave together, saved, when one is told to stop, and go on together, but not apart."""
    run = tmp_path / "run"
    with open_cluster(1) as client:
        # Dask takes ports too, so these are found when it has its own.
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(2)]
        cluster = {"chief": addresses[:1], "worker": addresses[1:]}
        options = {
            "config": config(1000),
            "run": run,
            "scheduler": client.scheduler_info()["address"],
        }
        own = (
            {
                "stops": [None, None],
                "attempts": [{"run": run}, {"run": tmp_path / "new"}, {"config": config(1000)}],
            },
            {
                "stops": [STEPS - 3, STEPS - 1],
                "attempts": [
                    {"run": tmp_path / "empty"},
                    {"run": tmp_path / "new", "initial_weights": "lost.npz"},
                    {"config": "lost.yaml"},
                ],
            },
        )
        workers = []
        for index, (task, more) in enumerate(zip(cluster, own, strict=True)):
            described = {"cluster": cluster, "task": {"type": task, "index": 0}}
            text = json.dumps({**options, **more, "record": tmp_path / f"{index}.npz"}, default=str)
            workers.append(_start(WORKER, text, TF_CONFIG=json.dumps(described)))
        _finish_all(workers, 143)
    records = [_read(tmp_path / f"{index}.npz") for index in range(2)]
    for name in records[0].keys() - {"samples", "scores", "refusals"}:
        np.testing.assert_array_equal(records[0][name], records[1][name], err_msg=name)
    taken = np.concatenate([record["samples"] for record in records], axis=1)
    np.testing.assert_array_equal(taken, single["samples"])
    _assert_learned_the_same(records[0], single)
    assert [len(record["scores"]) for record in records] == [1, 0], "one of them scores"
    assert there(latest_checkpoint(run)).step == STEPS
    (apart, *waited), (apart_too, *failed) = (record["refusals"].tolist() for record in records)
    assert f"step: {STEPS} -> 0" in apart
    assert apart_too == apart
    assert failed[0].startswith("lost.npz")
    assert failed[1].startswith("lost.yaml: no such file")
    assert waited == [f"worker 1 cannot begin: {text}" for text in failed]


@pytest.fixture
def workers(long_config: Path, tmp_path: Path) -> Iterator[Workers]:
    """A function that starts a worker of two by the command; its run, and their addresses."""
    started = []
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    command = ("-m", "synthseg_trainer", "train", long_config, "--run", tmp_path / "run")

    def start(index: int, *options: object) -> subprocess.Popen[str]:
        task = {"type": "worker", "index": index}
        described = {"cluster": {"worker": addresses}, "task": task}
        started.append(_start(*command, *options, TF_CONFIG=json.dumps(described)))
        return started[-1]

    yield start, tmp_path / "run", addresses
    for process in started:
        process.kill()
        process.communicate()


def test_a_worker_says_whom_it_waits_for_and_whom_it_lost(workers: Workers) -> None:
    """The second one is started late, and killed in the middle of the run."""
    start, run, (_, other) = workers
    first = start(0)
    lines = iter(there(first.stdout).readline, "")
    waits = next(line for line in lines if "waits for" in line)
    assert f"waits for worker 1 ({other}: nothing listens there); it gives up in" in waits
    second = start(1)
    _signal_after_step(second, run, 0, signal.SIGKILL)
    output = _finish(first, 1)
    errors = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, output[-3000:]
    assert f"could not be done: worker 1 ({other}: nothing listens there) is lost" in errors[0]
    assert "Unavailable, " in errors[0]
    assert errors[0].endswith("Start all of them again with --resume.")
    assert "Traceback" not in output


def test_a_peer_that_answers_and_does_not_join_is_not_waited_for_for_ever(workers: Workers) -> None:
    """Another program listens there, or the worker has ended since: TensorFlow would wait on."""
    start, _, (_, other) = workers
    with socket.create_server(("127.0.0.1", int(other.rpartition(":")[2]))):
        output = _finish(start(0, "--wait-minutes", "0.05"), 1)
    assert f"All machines are there (worker 1 ({other})); TensorFlow joins them within" in output


def _free_ports(count: int) -> list[int]:
    """Free now, and below those that the system gives away until the workers take them."""
    found = []
    for port in random.sample(range(20_000, 32_000), 200):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            break
    return found


def test_a_killed_run_ends_as_the_uninterrupted_one_to_the_bit(
    long_config: Path, tmp_path: Path
) -> None:
    """`kill -9` between two steps, then SIGTERM: exit code 143, saved; one device."""
    run = tmp_path / "run"
    command = ("-m", "synthseg_trainer", "train", long_config, "--run", run)
    killed = _start(*command)
    _signal_after_step(killed, run, 2, signal.SIGKILL)
    _finish(killed, -signal.SIGKILL)
    reached = there(latest_checkpoint(run)).step
    resumed = _start(*command, "--resume")
    _signal_after_step(resumed, run, reached, signal.SIGTERM)
    assert "interrupted at step" in _finish(resumed, 143)
    _assert_as_uninterrupted(run, long_config, tmp_path / "whole")


@pytest.mark.slow
def test_a_run_in_object_storage_is_killed_and_goes_on_elsewhere_to_the_bit(
    long_config: Path, head_store: Path, tmp_path: Path
) -> None:
    """Label maps and checkpoints lie in a bucket; each machine has an empty disk of its own."""
    with s3_server() as server:
        bucket = server.make_bucket("training")
        for path in sorted(p for p in head_store.rglob("*") if p.is_file()):
            name = path.relative_to(head_store).as_posix()
            storage.put(path, join(bucket, "labels.zarr", name))
        run = join(bucket, "runs", "first")
        command = ("-m", "synthseg_trainer", "train", long_config, "--run", run, "--resume")
        arguments = (*command, "--store", join(bucket, "labels.zarr"))
        killed = _start(*arguments, TMPDIR=str(_made(tmp_path / "first machine")))
        _signal_after_step(killed, run, 2, signal.SIGKILL)
        _finish(killed, -signal.SIGKILL)
        reached = max(_steps_of(run))
        resumed = _start(*arguments, TMPDIR=str(_made(tmp_path / "second machine")))
        _signal_after_step(resumed, run, reached, signal.SIGTERM)
        assert f"saved in {run}" in _finish(resumed, 143)
        assert list((tmp_path / "second machine").glob("synthseg-run-*")) == []
        with fetched(run) as local:
            _assert_as_uninterrupted(local, long_config, tmp_path / "whole")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _assert_as_uninterrupted(run: Path, config: Path, whole_run: Path) -> None:
    """Takes the steps of a run once more, without a stop, and compares every number."""
    ended = there(latest_checkpoint(run))
    settings = load_settings(config)
    stages = (dataclasses.replace(settings.stages[0], steps=ended.step),)
    train(dataclasses.replace(settings, stages=stages, checkpoint_steps=1000), whole_run)
    whole = there(latest_checkpoint(whole_run))
    assert whole.step == ended.step
    for name, value in whole.bundle.weights.items():
        np.testing.assert_array_equal(ended.bundle.weights[name], value, err_msg=name)
    for value, other in zip(whole.optimizer, ended.optimizer, strict=True):
        np.testing.assert_array_equal(value, other)


def _steps_of(run: Place) -> list[int]:
    if isinstance(run, Path):
        return [step_of(folder) for folder in checkpoint_folders(run)]
    return Mirror(run).whole_steps()


def _signal_after_step(
    process: subprocess.Popen[str], run: Place, step: int, number: signal.Signals
) -> None:
    """Sends a signal once there is a checkpoint beyond a step, at whatever the run does then."""
    deadline = time.monotonic() + 900
    while not any(reached > step for reached in _steps_of(run)):
        assert time.monotonic() < deadline, "no checkpoint in time"
        assert process.poll() is None, process.communicate()[0][-3000:]
        time.sleep(0.05)
    process.send_signal(number)


def test_a_step_takes_the_same_samples_whatever_the_workers() -> None:
    taken = []
    for worker in range(2):
        context = tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=worker)
        shard = shard_of(context, batch_size=4, first_step=3)
        taken.append(list(dataclasses.replace(shard, count=4)))
    assert taken == [[12, 13, 16, 17], [14, 15, 18, 19]]


def test_devices_that_are_not_those_of_the_settings_are_refused(head_store: Path) -> None:
    class Strategy:
        num_replicas_in_sync = 1

    settings = load_settings(Path("several_gpus"), store=str(head_store))
    with pytest.raises(ConfigError, match=r"are for 1 x 4 GPUs, .* but there is 1 replica: see to"):
        check_replicas(Strategy(), settings)
    Strategy.num_replicas_in_sync = 4
    check_replicas(Strategy(), settings)


@pytest.mark.parametrize(
    ("passes", "shared", "multiple"), [(1, "2 replicas", 2), (3, "2 replicas in 3 passes each", 6)]
)
def test_a_batch_that_replicas_cannot_share_is_refused_with_two_ways_out(
    passes: int, shared: str, multiple: int
) -> None:
    class Strategy:
        num_replicas_in_sync = 2

    with pytest.raises(ConfigError) as caught:
        samples_per_replica(Strategy(), 3, passes)
    refused, ways_out = str(caught.value).split(": ")
    assert refused == f"batch_size 3 cannot be shared by {shared}"
    assert f"make it a multiple of {multiple} in the settings" in ways_out
    assert "make fewer GPUs visible (CUDA_VISIBLE_DEVICES=0 for one)" in ways_out


@pytest.mark.parametrize(
    ("described", "named"),
    [
        ("{worker", "TF_CONFIG is no JSON"),
        ("[]", "TF_CONFIG must be a JSON object"),
        ('{"task": {"type": "evaluator", "index": 0}}', "type 'evaluator'; only chief and worker"),
        ('{"cluster": {"worker": ["a:1"]}}', "TF_CONFIG describes no cluster"),
    ],
)
def test_a_broken_description_of_the_cluster_is_refused(
    monkeypatch: pytest.MonkeyPatch, described: str, named: str
) -> None:
    monkeypatch.setenv("TF_CONFIG", described)
    with pytest.raises(ConfigError, match=named):
        choose_strategy()


def test_replicas_on_the_cpu_are_refused_to_one_of_several_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    with pytest.raises(ConfigError, match="--cpu-replicas 2 is for one machine, but TF_CONFIG"):
        choose_strategy(cpu_devices=2)


@pytest.mark.parametrize(
    ("cluster", "chief"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0)),
        ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, ("chief", 0)),
    ],
)
def test_one_task_of_a_cluster_writes(
    monkeypatch: pytest.MonkeyPatch, cluster: dict[str, list[str]], chief: tuple[str, int]
) -> None:
    class Strategy:
        cluster_resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()

    writers = []
    for task in ((name, i) for name, addresses in cluster.items() for i in range(len(addresses))):
        described = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(described))
        if is_chief(Strategy()):
            writers.append(task)
    assert writers == [chief]


def test_a_process_alone_writes() -> None:
    assert is_chief(tf.distribute.get_strategy())
