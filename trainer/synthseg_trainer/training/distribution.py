"""On which devices a run computes, and which samples each of them takes."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf
from synthseg_common.telemetry.log import note
from synthseg_generator.feed.samples import Shard

from synthseg_trainer.config import TrainSettings
from synthseg_trainer.errors import ConfigError, OutageError
from synthseg_trainer.signals import signals_held
from synthseg_trainer.training.peers import (
    DEFAULT_WAIT_S,
    Peer,
    in_words,
    meet,
    others_of,
    read_cluster,
)

JOIN_LIMIT_S = 120.0
"""How long TensorFlow may take, at most, to join machines that all answer."""


def choose_strategy(cpu_devices: int = 1, wait_s: float = DEFAULT_WAIT_S) -> tf.distribute.Strategy:
    """The devices of a run: several machines, several GPUs, or the only device there is.

    With `TF_CONFIG` in the environment (TensorFlow's description of a cluster of workers) every
    machine takes part; all of them must run the same command. This must come before TensorFlow
    computes anything.

    Args:
        cpu_devices: Replicas to run on the CPU of this machine, to try a distributed run.
        wait_s: How long to wait for the other machines.

    Raises:
        ConfigError: `TF_CONFIG` describes no machine that trains, or there are replicas on the CPU
            besides.
        OutageError: Another machine does not come.
    """
    cluster = os.environ.get("TF_CONFIG")
    if cluster:
        if cpu_devices > 1:
            raise ConfigError(
                f"--cpu-replicas {cpu_devices} is for one machine, but TF_CONFIG names several: "
                "leave one of the two out."
            )
        return _several_machines(cluster, wait_s)
    if cpu_devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        configuration = [tf.config.LogicalDeviceConfiguration() for _ in range(cpu_devices)]
        tf.config.set_logical_device_configuration(cpu, configuration)
        return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(cpu_devices)])
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _several_machines(described: str, wait_s: float) -> tf.distribute.Strategy:
    cluster = read_cluster(described)
    meet(cluster, wait_s)
    try:
        with _bounded(min(wait_s, JOIN_LIMIT_S), cluster.others):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"TF_CONFIG describes no cluster: {error}") from error
    except tf.errors.OpError as error:
        raise OutageError(
            f"TensorFlow could not join the machines of TF_CONFIG, {type(error).__name__}: "
            f"{' '.join(error.message.split())}"
        ) from error


@contextmanager
def _bounded(limit_s: float, peers: Sequence[Peer]) -> Iterator[None]:
    """Ends the process with 1 if TensorFlow does not return in time.

    It keeps the interpreter to itself while it waits, so neither a handler nor a thread of Python
    can, nor say anything then: what may come is said before.
    """
    if peers:
        names = ", ".join(map(str, peers))
        note(
            f"All machines are there ({names}); TensorFlow joins them within "
            f"{in_words(limit_s)}, or this one ends."
        )
    with signals_held(), Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


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


def peers_of(strategy: tf.distribute.Strategy) -> tuple[Peer, ...]:
    """The other machines of the run; none for one alone."""
    if not has_peers(strategy):
        return ()
    resolver = strategy.cluster_resolver
    jobs = resolver.cluster_spec().as_dict()
    return others_of(jobs, resolver.task_type, resolver.task_id)


def _jobs(strategy: tf.distribute.Strategy) -> Sequence[str]:
    resolver = strategy.cluster_resolver
    jobs: Sequence[str] = resolver.cluster_spec().jobs if resolver is not None else ()
    return jobs


def check_replicas(strategy: tf.distribute.Strategy, settings: TrainSettings) -> None:
    """Refuses devices that are not those that the settings are for.

    Raises:
        ConfigError: They are others: a GPU that is not seen would not be missed otherwise.
    """
    devices, found = settings.devices, int(strategy.num_replicas_in_sync)
    if devices.replicas is not None and devices.replicas != found:
        raise ConfigError(
            f"the settings are for {devices.machines} x {devices.gpus_per_machine} GPUs, one "
            f"replica each (devices), but there {'is' if found == 1 else 'are'} {found} "
            f"replica{'' if found == 1 else 's'}: see to the GPUs (nvidia-smi, "
            "CUDA_VISIBLE_DEVICES) and to TF_CONFIG, or say in `devices` what there is."
        )


def samples_per_replica(strategy: tf.distribute.Strategy, batch_size: int, passes: int = 1) -> int:
    """Samples that each replica takes at a step, in equal passes.

    Raises:
        ConfigError: The batch cannot be shared evenly.
    """
    replicas = int(strategy.num_replicas_in_sync)
    if batch_size % (replicas * passes):
        shared = f"{replicas} replicas" + (f" in {passes} passes each" if passes > 1 else "")
        raise ConfigError(
            f"batch_size {batch_size} cannot be shared by {shared}: make it a multiple of "
            f"{replicas * passes} in the settings (`synthseg-trainer recipes NAME` prints those of "
            "a recipe), or make fewer GPUs visible (CUDA_VISIBLE_DEVICES=0 for one)."
        )
    return batch_size // replicas


def shard_of(context: tf.distribute.InputContext, batch_size: int, first_step: int) -> Shard:
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
