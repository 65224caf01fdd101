"""Settings of network and training. Importing this module loads nothing heavy.

Each group has a file of its own; this one names them all.
"""

from __future__ import annotations

from synthseg_trainer.config.devices import Devices
from synthseg_trainer.config.network import NetworkSettings
from synthseg_trainer.config.reader import load_settings, output_labels_of, recipe_names
from synthseg_trainer.config.run import AdamSettings, TrainSettings, Validation
from synthseg_trainer.config.stage import LOSS_NAMES, LossWeights, Stage

__all__ = [
    "LOSS_NAMES",
    "AdamSettings",
    "Devices",
    "LossWeights",
    "NetworkSettings",
    "Stage",
    "TrainSettings",
    "Validation",
    "load_settings",
    "output_labels_of",
    "recipe_names",
]
