"""Devices that a run is for: whether batch and memory fit them. Loads nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthseg_trainer.errors import ConfigError

if TYPE_CHECKING:
    from synthseg_trainer.config.run import TrainSettings

GIB = 2**30
_FLOAT_BYTES = 4
# Weight, gradient, and the two means of Adam, or Muon's one with its work.
_COPIES_OF_WEIGHTS = 4
# Logits, softmax and their gradient, of each label.
_VOLUMES_OF_LABELS = 3
# Image, coordinates, field and labels while a sample is made.
_GENERATOR_BYTES_PER_VOXEL = 200
# What the CUDA context, cuDNN's workspace and TensorFlow itself take beside; a round number.
_RESERVE_BYTES = 1.5 * GIB


@dataclass(frozen=True, kw_only=True)
class Devices:
    """The devices that a run is for; what is left out is not checked.

    They change neither samples nor what is learned, so a resumed run may have others.

    Attributes:
        machines: Machines of the run, as many as `TF_CONFIG` names.
        gpus_per_machine: GPUs of each of them.
        memory_gib: Memory of each GPU, in GiB.
    """

    machines: int | None = None
    gpus_per_machine: int | None = None
    memory_gib: float | None = None

    def __post_init__(self) -> None:
        """Refuses numbers out of range.

        Raises:
            ConfigError: A number is not positive.
        """
        for name in ("machines", "gpus_per_machine", "memory_gib"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"devices.{name} must be positive, or null, got {value}.")

    @property
    def replicas(self) -> int | None:
        """GPUs of all machines; `None` where one of both numbers is left out."""
        if self.machines is None or self.gpus_per_machine is None:
            return None
        return self.machines * self.gpus_per_machine


def check_devices(settings: TrainSettings) -> None:
    """Refuses a run whose batch cannot be shared by its devices, or does not fit their memory.

    Raises:
        ConfigError: It is one; the message names numbers that fit.
    """
    devices = settings.devices
    replicas = devices.replicas
    if replicas is None:
        return
    check_shares(settings, replicas, f"{devices.machines} x {devices.gpus_per_machine} GPUs")
    if devices.memory_gib is not None:
        _check_memory(settings, replicas, devices.memory_gib)


def check_shares(settings: TrainSettings, replicas: int, named: str) -> None:
    """Refuses a batch that replicas cannot take in equal shares and passes.

    Args:
        settings: The run.
        replicas: How many share a batch.
        named: What they are, in words.

    Raises:
        ConfigError: It is one; the message names numbers that fit.
    """
    size, passes = settings.batch_size, settings.accumulate_steps
    multiple = replicas * passes
    if size % multiple == 0:
        return
    lower, upper = size // multiple * multiple, -(-size // multiple) * multiple
    fitting = " or ".join(str(n) for n in (lower, upper) if n)
    others = [n for n in range(1, replicas + 1) if size % (n * passes) == 0]
    ways = [f"batch_size {fitting}"]
    if passes > 1 and size % replicas == 0:
        share = size // replicas
        fits = [n for n in range(1, share + 1) if share % n == 0]
        ways.append(f"accumulate_steps {' or '.join(map(str, fits))}")
    if others:
        ways.append(f"{others[-1]} replicas")
    raise ConfigError(
        f"batch_size {size} cannot be shared by {replicas} replicas ({named}) in "
        f"{passes} pass{'es' if passes > 1 else ''} each. These would fit: {'; '.join(ways)}."
    )


def _check_memory(settings: TrainSettings, replicas: int, memory_gib: float) -> None:
    share = settings.batch_size // replicas
    at_once = share // settings.accumulate_steps
    needed = replica_bytes(settings, at_once)
    if needed <= memory_gib * GIB:
        return
    most = max(n for n in range(at_once) if replica_bytes(settings, n) <= memory_gib * GIB)
    fits = [n for n in range(1, share + 1) if share % n == 0 and share // n <= most]
    ways = [f"accumulate_steps {fits[0]} ({share // fits[0]} at once)"] if fits else []
    smaller = _crop_that_fits(settings, memory_gib)
    ways += [f"crop.shape {smaller}"] if smaller else ["fewer network.features"]
    ways += [f"{math.ceil(needed / GIB)} GiB a GPU"]
    raise ConfigError(
        f"{at_once} sample{'s' if at_once > 1 else ''} at once of the largest crop take about "
        f"{needed / GIB:.1f} GiB on each of {replicas} replicas, devices.memory_gib is "
        f"{memory_gib:g}. These would fit: {'; '.join(ways)}."
    )


def replica_bytes(settings: TrainSettings, samples_at_once: int) -> float:
    """About what a replica holds during a step, in bytes.

    Up to a third more than peaks on a CPU were, see `tests/trainer/config/test_devices.py`.
    Where a stage takes whole maps, whose size only the store knows, it counts the weights alone.

    Args:
        settings: The run.
        samples_at_once: Samples of one pass.
    """
    voxels = max((_voxels(stage.generator.crop.shape) for stage in settings.stages), default=0)
    work = samples_at_once * voxels * voxel_bytes(settings)
    return work + _COPIES_OF_WEIGHTS * _FLOAT_BYTES * _weights(settings) + _RESERVE_BYTES


def voxel_bytes(settings: TrainSettings) -> float:
    """About what one voxel of a crop takes during a step, in bytes.

    All that the way back needs: of each level the convolutions' answers and what normalisation
    makes of them, down and up, on the way up the volumes side by side; and the gradients at work.
    """
    network = settings.network
    volumes = 0.0
    for level in range(network.n_levels):
        own = network.features_at(level)
        here = (network.convs_per_level + 1) * own
        if level < network.n_levels - 1:
            here += own + network.features_at(level + 1) + (network.convs_per_level + 1) * own
        volumes += here / (8**level * network.stem**3)
    volumes += 2 * (network.features_at(0) + network.features_at(1)) / network.stem**3
    scored = settings.scored_subvoxels
    share = 1.0 if scored is None else scored / network.stem**3
    labels = _VOLUMES_OF_LABELS * network.n_labels * share
    half = 0.5 if settings.precision.startswith("mixed") else 1.0
    return _FLOAT_BYTES * (half * volumes + labels) + _GENERATOR_BYTES_PER_VOXEL


def _weights(settings: TrainSettings) -> float:
    network, taps = settings.network, settings.network.kernel_size**3
    before, total = network.n_channels * network.stem**3, 0
    for level in range(network.n_levels):
        own = network.features_at(level)
        total += taps * own * (before + (network.convs_per_level - 1) * own)
        if level < network.n_levels - 1:
            beside = own + network.features_at(level + 1)
            total += taps * own * (beside + (network.convs_per_level - 1) * own)
        before = own
    return total + network.features_at(0) * network.n_labels * network.stem**3


def _voxels(shape: tuple[int, ...] | None) -> int:
    return 0 if shape is None else math.prod(shape)  # of whole maps the store alone knows the size


def _crop_that_fits(settings: TrainSettings, memory_gib: float) -> list[int] | None:
    """The largest cube of one sample at once, a multiple of what the network needs."""
    free = memory_gib * GIB - replica_bytes(settings, 0)
    multiple = settings.network.size_multiple
    side = int(max(free / voxel_bytes(settings), 0) ** (1 / 3)) // multiple * multiple
    return [side] * 3 if side else None
