"""Where a trained network may come from: a bundle, a checkpoint folder, or a training run."""

from __future__ import annotations

from pathlib import Path

from synthseg_trainer.bundle import Bundle, load_bundle
from synthseg_trainer.checkpoints import find_bundle
from synthseg_trainer.errors import CheckpointError

from synthseg_serving.errors import ExportError


def read_source(source: Path) -> Bundle:
    """Reads the network that a path stands for.

    Raises:
        ExportError: There is none, or it is broken.
    """
    try:
        return load_bundle(find_bundle(source))
    except CheckpointError as error:
        raise ExportError(str(error)) from error
