"""On which devices a run computes, and which samples each of them takes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from synthseg_generator.samples import Shard

from synthseg_trainer.errors import ConfigError


def choose_strategy(cpu_devices: int = 1) -> tf.distribute.Strategy:
    """The devices of a run: several machines, several GPUs, or the only device there is.

    With `TF_CONFIG` in the environment (TensorFlow's description of a cluster of workers) every
    machine takes part; all of them must run the same command. This must come before TensorFlow
    computes anything.

    Args:
        cpu_devices: Replicas to run on the CPU of this machine, to try a distributed run.

    Raises:
        ConfigError: `TF_CONFIG` describes no machine that trains, or there are replicas on the CPU
            besides.
    """
    cluster = os.environ.get("TF_CONFIG")
    if cluster:
        if cpu_devices > 1:
            raise ConfigError(
                f"--cpu-replicas {cpu_devices} is for one machine, but TF_CONFIG names several: "
                "leave one of the two out."
            )
        return _several_machines(cluster)
    if cpu_devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        configuration = [tf.config.LogicalDeviceConfiguration() for _ in range(cpu_devices)]
        tf.config.set_logical_device_configuration(cpu, configuration)
        return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(cpu_devices)])
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _several_machines(described: str) -> tf.distribute.Strategy:
    try:
        task = json.loads(described).get("task", {}).get("type", "worker")
    except ValueError as error:
        raise ConfigError(f"TF_CONFIG is no JSON: {error}.") from error
    except AttributeError as error:
        raise ConfigError(
            f"TF_CONFIG must be a JSON object with `cluster` and `task`, got {described}."
        ) from error
    # TensorFlow takes an evaluator for a cluster of its own, which would train a second time.
    if task not in ("chief", "worker"):
        raise ConfigError(
            f"TF_CONFIG makes this machine a task of type {task!r}; only chief and worker train."
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"TF_CONFIG describes no cluster: {error}") from error


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes checkpoints and logs: one of several, or the only one.

    As TensorFlow has it: the task of type chief, or worker 0 of a cluster without one.
    """
    jobs = _jobs(strategy)
    if not jobs:
        return True
    resolver = strategy.cluster_resolver
    return (resolver.task_type, resolver.task_id) == ("chief" if "chief" in jobs else "worker", 0)


def has_peers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes take part in the run."""
    return bool(_jobs(strategy))


def _jobs(strategy: tf.distribute.Strategy) -> Sequence[str]:
    resolver = strategy.cluster_resolver
    jobs: Sequence[str] = resolver.cluster_spec().jobs if resolver is not None else ()
    return jobs


def samples_per_replica(strategy: tf.distribute.Strategy, batch_size: int, passes: int = 1) -> int:
    """Samples that each replica takes at a step, in equal passes.

    Raises:
        ConfigError: The batch cannot be shared evenly.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % (replicas * passes):
        shared = f"{replicas} replicas" + (f" in {passes} passes each" if passes > 1 else "")
        raise ConfigError(
            f"batch_size {batch_size} cannot be shared by {shared}: make it a multiple of "
            f"{replicas * passes} in the settings (`synthseg-trainer recipes NAME` prints those of "
            "a recipe), or make fewer GPUs visible (CUDA_VISIBLE_DEVICES=0 for one)."
        )
    return batch_size // replicas


def shard_of(context: Any, batch_size: int, first_step: int) -> Shard:
    """The samples of one worker: step s takes samples s·batch to (s + 1)·batch - 1 in all.

    So the samples of a step depend on its number and the global batch, not on the workers.

    Args:
        context: `tf.distribute.InputContext` of the worker.
        batch_size: Samples of a step over all workers.
        first_step: Step at which the worker begins.
    """
    block = batch_size // context.num_input_pipelines
    first = first_step * batch_size + context.input_pipeline_id * block
    return Shard(first=first, stride=batch_size, block=block)
