"""Trains the segmentation network on synthetic scans, and scores it: as a command and as a library.

    from synthseg_trainer import load_settings, train

    train(load_settings("run.yaml"), Path("run"))

Importing this package loads nothing heavy; names are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import synthseg_common.exports as _exports

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
    "__version__": "",
    "AdamSettings": "synthseg_trainer.config",
    "BatchSource": "synthseg_trainer.training.sources",
    "Bundle": "synthseg_trainer.network.bundle",
    "Checkpoint": "synthseg_trainer.runs.checkpoints",
    "CheckpointError": "synthseg_trainer.errors",
    "ConfigError": "synthseg_trainer.errors",
    "Evaluation": "synthseg_trainer.evaluation.report",
    "NetworkSettings": "synthseg_trainer.config",
    "OutageError": "synthseg_trainer.errors",
    "Scoring": "synthseg_trainer.evaluation.pair_scores",
    "Sources": "synthseg_trainer.training.sources",
    "Stage": "synthseg_trainer.config",
    "TrainSettings": "synthseg_trainer.config",
    "TrainerError": "synthseg_trainer.errors",
    "Validation": "synthseg_trainer.config",
    "ValidationOptions": "synthseg_trainer.evaluation.validate",
    "build_unet": "synthseg_trainer.network.unet",
    "choose_strategy": "synthseg_trainer.training.distribution",
    "evaluate": "synthseg_trainer.evaluation.report",
    "find_bundle": "synthseg_trainer.runs.checkpoints",
    "latest_checkpoint": "synthseg_trainer.runs.checkpoints",
    "load_bundle": "synthseg_trainer.network.bundle",
    "load_network": "synthseg_trainer.runs.networks",
    "load_settings": "synthseg_trainer.config",
    "open_feed": "synthseg_trainer.training.feed",
    "recipe_names": "synthseg_trainer.config",
    "save_bundle": "synthseg_trainer.network.bundle",
    "train": "synthseg_trainer.training.loop",
    "validate": "synthseg_trainer.evaluation.validate",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    """Loads a public name from its module when it is first used."""
    return _exports.load_export(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
