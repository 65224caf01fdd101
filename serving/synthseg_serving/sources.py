"""Where a trained network may come from: a run, a checkpoint, a bundle, or weights from Keras."""

from __future__ import annotations

from pathlib import Path

from synthseg_common.errors import SynthSegError
from synthseg_trainer.network.bundle import Bundle
from synthseg_trainer.places import Place
from synthseg_trainer.runs.networks import load_network

from synthseg_serving.errors import ExportError


def read_source(source: Place, settings: Path | None = None) -> Bundle:
    """Reads the network that a path stands for.

    Args:
        source: A run, a checkpoint, a bundle (`.npz`), or weights from Keras (`.weights.h5`); or
            the URL of a run or bundle in object storage.
        settings: For the latter, what they belong to; by default the `.json` file beside them.

    Raises:
        ExportError: There is none, or it is broken.
    """
    try:
        return load_network(source, settings)
    except SynthSegError as error:
        raise ExportError(str(error)) from error
