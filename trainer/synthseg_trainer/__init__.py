"""Trains the segmentation network on synthetic scans, and scores it: as a command and as a library.

    from synthseg_trainer import load_settings, train

    train(load_settings("run.yaml"), Path("run"))

Importing this package loads nothing heavy; names are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from synthseg_trainer.config import AdamSettings as AdamSettings
    from synthseg_trainer.config import NetworkSettings as NetworkSettings
    from synthseg_trainer.config import Stage as Stage
    from synthseg_trainer.config import TrainSettings as TrainSettings
    from synthseg_trainer.config import Validation as Validation
    from synthseg_trainer.config import load_settings as load_settings
    from synthseg_trainer.config import recipe_names as recipe_names
    from synthseg_trainer.errors import CheckpointError as CheckpointError
    from synthseg_trainer.errors import ConfigError as ConfigError
    from synthseg_trainer.errors import OutageError as OutageError
    from synthseg_trainer.errors import TrainerError as TrainerError
    from synthseg_trainer.evaluation.pair_scores import Scoring as Scoring
    from synthseg_trainer.evaluation.report import Evaluation as Evaluation
    from synthseg_trainer.evaluation.report import evaluate as evaluate
    from synthseg_trainer.evaluation.validate import ValidationOptions as ValidationOptions
    from synthseg_trainer.evaluation.validate import validate as validate
    from synthseg_trainer.network.bundle import Bundle as Bundle
    from synthseg_trainer.network.bundle import load_bundle as load_bundle
    from synthseg_trainer.network.bundle import save_bundle as save_bundle
    from synthseg_trainer.network.unet import build_unet as build_unet
    from synthseg_trainer.runs.checkpoints import Checkpoint as Checkpoint
    from synthseg_trainer.runs.checkpoints import find_bundle as find_bundle
    from synthseg_trainer.runs.checkpoints import latest_checkpoint as latest_checkpoint
    from synthseg_trainer.runs.networks import load_network as load_network
    from synthseg_trainer.training.distribution import choose_strategy as choose_strategy
    from synthseg_trainer.training.feed import open_feed as open_feed
    from synthseg_trainer.training.loop import train as train
    from synthseg_trainer.training.sources import BatchSource as BatchSource
    from synthseg_trainer.training.sources import Sources as Sources

_HOMES = {
    "AdamSettings": "config",
    "BatchSource": "training.sources",
    "Bundle": "network.bundle",
    "Checkpoint": "runs.checkpoints",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "Evaluation": "evaluation.report",
    "NetworkSettings": "config",
    "OutageError": "errors",
    "Scoring": "evaluation.pair_scores",
    "Sources": "training.sources",
    "Stage": "config",
    "TrainSettings": "config",
    "TrainerError": "errors",
    "Validation": "config",
    "ValidationOptions": "evaluation.validate",
    "build_unet": "network.unet",
    "choose_strategy": "training.distribution",
    "evaluate": "evaluation.report",
    "find_bundle": "runs.checkpoints",
    "latest_checkpoint": "runs.checkpoints",
    "load_bundle": "network.bundle",
    "load_network": "runs.networks",
    "load_settings": "config",
    "open_feed": "training.feed",
    "recipe_names": "config",
    "save_bundle": "network.bundle",
    "train": "training.loop",
    "validate": "evaluation.validate",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    """Loads a public name from its module when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("synthseg-serving")
    if name in _HOMES:
        value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
