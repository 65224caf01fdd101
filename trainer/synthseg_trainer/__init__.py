"""Trains segmentation networks on synthetic scans.

Importing this package loads nothing heavy; names are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthseg_trainer.config import AdamSettings as AdamSettings
    from synthseg_trainer.config import LossWeights as LossWeights
    from synthseg_trainer.config import NetworkSettings as NetworkSettings
    from synthseg_trainer.config import Stage as Stage
    from synthseg_trainer.config import TrainSettings as TrainSettings
    from synthseg_trainer.config import Validation as Validation
    from synthseg_trainer.config import load_settings as load_settings
    from synthseg_trainer.errors import CheckpointError as CheckpointError
    from synthseg_trainer.errors import ConfigError as ConfigError
    from synthseg_trainer.errors import OutageError as OutageError
    from synthseg_trainer.errors import TrainerError as TrainerError
    from synthseg_trainer.network.bundle import Bundle as Bundle
    from synthseg_trainer.network.bundle import load_bundle as load_bundle
    from synthseg_trainer.network.unet import build_unet as build_unet
    from synthseg_trainer.runs.checkpoints import find_bundle as find_bundle
    from synthseg_trainer.training.loop import train as train

# Found when asked for, so that the command's `--help` waits for nothing heavy.
_HOMES = {
    "AdamSettings": "synthseg_trainer.config",
    "Bundle": "synthseg_trainer.network.bundle",
    "CheckpointError": "synthseg_trainer.errors",
    "ConfigError": "synthseg_trainer.errors",
    "LossWeights": "synthseg_trainer.config",
    "NetworkSettings": "synthseg_trainer.config",
    "OutageError": "synthseg_trainer.errors",
    "Stage": "synthseg_trainer.config",
    "TrainSettings": "synthseg_trainer.config",
    "TrainerError": "synthseg_trainer.errors",
    "Validation": "synthseg_trainer.config",
    "build_unet": "synthseg_trainer.network.unet",
    "find_bundle": "synthseg_trainer.runs.checkpoints",
    "load_bundle": "synthseg_trainer.network.bundle",
    "load_settings": "synthseg_trainer.config",
    "train": "synthseg_trainer.training.loop",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    """Loads a public name from its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
