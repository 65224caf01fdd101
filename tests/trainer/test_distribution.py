"""Real processes: two replicas, two workers over TCP, a killed run and an interrupted one."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from synthseg_generator.samples import SampleSource, Shard
from synthseg_generator.store import open_store
from synthseg_trainer.checkpoints import checkpoint_folders, latest_checkpoint
from synthseg_trainer.config import load_settings
from synthseg_trainer.distribution import samples_per_replica, shard_of
from synthseg_trainer.errors import ConfigError
from synthseg_trainer.feed import open_feed
from synthseg_trainer.loop import train

STEPS = 4


@pytest.fixture(scope="module")
def pair_config(run_config, tmp_path_factory):
    """A run of four steps with two samples each."""
    text = run_config.read_text()
    start, end = text.index("stages:"), text.index("validation:")
    stage = f"{{name: only, steps: {STEPS}, loss: dice_cross_entropy, learning_rate: 0.001}}"
    stages = f"stages:\n  - {stage}\n"
    path = tmp_path_factory.mktemp("pair") / "pair.yaml"
    path.write_text(f"batch_size: 2\n{text[:start]}{stages}checkpoint_steps: 1\n")
    assert end > start
    return path


@pytest.fixture(scope="module")
def single_run(pair_config, tmp_path_factory):
    """The run on one device, in this process."""
    run = tmp_path_factory.mktemp("single")
    train(load_settings(pair_config), run)
    return run


def _start(config, run, *options, **environment):
    command = [sys.executable, "-m", "synthseg_trainer", "train", str(config), "--run", str(run)]
    return subprocess.Popen(
        [*command, *options],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(process, expected=0):
    output, _ = process.communicate(timeout=400)
    assert process.returncode == expected, output[-3000:]
    return output


def _assert_same_network(first, second, tolerance):
    ours, theirs = (latest_checkpoint(run).bundle.weights for run in (first, second))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, atol=tolerance, err_msg=name)


def test_two_replicas_learn_what_one_device_learns(pair_config, single_run, tmp_path):
    """Weights and moving statistics: each replica takes one of the two samples of a step."""
    _finish(_start(pair_config, tmp_path, "--cpu-replicas", "2"))
    _assert_same_network(tmp_path, single_run, 2e-3)


def test_two_workers_learn_what_one_device_learns(pair_config, single_run, tmp_path):
    ports = _free_ports(2)
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    workers = [
        _start(
            pair_config,
            tmp_path,
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]
    for worker in workers:
        _finish(worker)
    assert latest_checkpoint(tmp_path).step == STEPS
    _assert_same_network(tmp_path, single_run, 2e-3)


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def test_a_killed_run_ends_as_the_uninterrupted_one_to_the_bit(pair_config, single_run, tmp_path):
    """`kill -9`, then SIGTERM (exit code 143, saved), then to the end; one device, same samples."""
    _stop_after_first_checkpoint(_start(pair_config, tmp_path), tmp_path, signal.SIGKILL, -9)
    long = _lengthened(pair_config, tmp_path)
    process = _start(long, tmp_path, "--resume")
    output = _stop_after_first_checkpoint(process, tmp_path, signal.SIGTERM, 143, beyond=STEPS)
    assert "interrupted at step" in output
    resumed = latest_checkpoint(tmp_path).step
    settings = load_settings(pair_config)
    only = dataclasses.replace(settings.stages[0], steps=resumed)
    reference = tmp_path / "reference"
    train(dataclasses.replace(settings, stages=(only,)), reference)
    _assert_same_network(tmp_path, reference, 0)


def _lengthened(config, folder):
    path = folder / "long.yaml"
    path.write_text(config.read_text().replace(f"steps: {STEPS}", "steps: 1000"))
    return path


def _stop_after_first_checkpoint(process, run, number, expected, beyond=0):
    deadline = time.monotonic() + 300
    while not any(int(f.name.split("-")[1]) > beyond for f in checkpoint_folders(run)):
        assert time.monotonic() < deadline, "no checkpoint in time"
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(number)
    return _finish(process, expected) if process.poll() is None else process.communicate()[0]


def test_a_step_takes_the_same_samples_whatever_the_workers():
    taken = []
    for worker in range(2):
        context = tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=worker)
        shard = shard_of(context, batch_size=4, first_step=3)
        taken.append(list(dataclasses.replace(shard, count=4)))
    assert taken == [[12, 13, 16, 17], [14, 15, 18, 19]]


def test_a_batch_that_replicas_cannot_share_is_refused():
    class Strategy:
        num_replicas_in_sync = 2

    with pytest.raises(ConfigError, match="batch_size 3 cannot be shared by 2 replicas"):
        samples_per_replica(Strategy(), 3)


def test_dask_workers_feed_the_samples_that_this_process_would_make(run_config):
    settings = load_settings(run_config)
    source = SampleSource(open_store(settings.store), settings.stages[0].generator, settings.seed)
    with open_feed(workers=1) as feed:
        fed = list(feed(source, Shard(count=3)))
    for k, element in enumerate(fed):
        row = source.parameters(k).to_row()
        assert int(element["k"]) == k
        for name, value in row.items():
            np.testing.assert_array_equal(element["row"][name], value)
