"""Where a trained network may come from: a bundle, a checkpoint folder, or a training run."""

from __future__ import annotations

from pathlib import Path

from synthseg_trainer.bundle import Bundle, load_bundle
from synthseg_trainer.errors import CheckpointError

from synthseg_serving.errors import ExportError

CHECKPOINTS = "checkpoints"
BUNDLE_IN_CHECKPOINT = "model.npz"


def find_bundle(source: Path) -> Path:
    """The bundle file that a path stands for.

    Args:
        source: A bundle `.npz`, a checkpoint folder with `model.npz`, or a run folder, whose newest
            checkpoint counts.

    Raises:
        ExportError: There is none.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise ExportError(
            f"{source}: no such file or folder; expected a run, a checkpoint or a bundle (.npz)."
        )
    if (source / BUNDLE_IN_CHECKPOINT).is_file():
        return source / BUNDLE_IN_CHECKPOINT
    parent = source / CHECKPOINTS if (source / CHECKPOINTS).is_dir() else source
    # Names are step-00001000: the highest is the newest.
    found = sorted(parent.glob(f"step-*/{BUNDLE_IN_CHECKPOINT}"))
    if not found:
        raise ExportError(
            f"{source} holds no checkpoint; expected {BUNDLE_IN_CHECKPOINT} in it, or "
            f"{CHECKPOINTS}/step-*/{BUNDLE_IN_CHECKPOINT}."
        )
    return found[-1]


def read_source(source: Path) -> Bundle:
    """Reads the network that a path stands for.

    Raises:
        ExportError: There is none, or it is broken.
    """
    path = find_bundle(source)
    try:
        return load_bundle(path)
    except CheckpointError as error:
        raise ExportError(str(error)) from error
