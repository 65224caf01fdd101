"""Checkpoints: weights, optimizer and position of a run; written whole, rotated.

RUN/checkpoints/step-00001000/
    model.npz        bundle: weights, network, labels (what `synthseg-serving export` takes)
    optimizer.npz    the optimizer's variables in their order
    state.json       step, next sample, digest of the data, settings, format version
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from synthseg_generator.files import sync, sync_tree

from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import Bundle, load_bundle, save_bundle

FORMAT_VERSION = 1
CHECKPOINTS = "checkpoints"
BUNDLE = "model.npz"
_PREFIX = "step-"
_WRITING = ".writing-"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        bundle: Weights, network, labels.
        optimizer: The optimizer's variables in their order, and, where `bundle` holds averaged
            weights, those that they are the average of.
        state: `step` (steps done), `next_sample`, `data` and `settings`, as JSON values.
    """

    bundle: Bundle
    optimizer: tuple[np.ndarray, ...]
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """Steps done, which is the number of the next one."""
        return int(self.state["step"])


def save_checkpoint(
    run: Path, checkpoint: Checkpoint, keep: int | None = None, keep_every_steps: int | None = None
) -> Path:
    """Writes a checkpoint whole or not at all, then removes the oldest.

    Args:
        run: Folder of the run, which nobody else writes.
        checkpoint: What to write.
        keep: How many of the newest stay; `None` for all.
        keep_every_steps: Those of multiples of this step stay too.

    Returns:
        Its folder.
    """
    folder = run / CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{_PREFIX}{checkpoint.step:08d}"
    for left in folder.glob(f"{_WRITING}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(dir=folder, prefix=_WRITING))
    try:
        save_bundle(temporary / BUNDLE, checkpoint.bundle)
        with (temporary / "optimizer.npz").open("wb") as file:
            np.savez(file, *checkpoint.optimizer)
        with (temporary / "state.json").open("w", encoding="utf-8") as text:
            json.dump({"format": FORMAT_VERSION, **checkpoint.state}, text, indent=1)
        sync_tree(temporary)
        temporary.chmod(0o755)
        if place.exists():
            shutil.rmtree(place)
        temporary.replace(place)
        sync(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in checkpoint_folders(run)[: -keep if keep else 0]:
        if not keep_every_steps or step_of(old) % keep_every_steps:
            shutil.rmtree(old, ignore_errors=True)
    return place


def step_of(folder: Path) -> int:
    """Steps done when the checkpoint of this folder was written."""
    return int(folder.name.removeprefix(_PREFIX))


def checkpoint_folders(run: Path) -> list[Path]:
    """Folders of the finished checkpoints of a run, oldest first."""
    return sorted((run / CHECKPOINTS).glob(f"{_PREFIX}*"))


def find_bundle(source: Path) -> Path:
    """The bundle file that a path stands for.

    Args:
        source: A bundle `.npz`, a checkpoint folder, or a run, whose newest checkpoint counts.

    Raises:
        CheckpointError: There is none.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise CheckpointError(
            f"{source}: no such file or folder; expected a run, a checkpoint or a bundle (.npz)."
        )
    if (source / BUNDLE).is_file():
        return source / BUNDLE
    parent = source / CHECKPOINTS if (source / CHECKPOINTS).is_dir() else source
    # Names are step-00001000: the highest is the newest.
    found = sorted(parent.glob(f"{_PREFIX}*/{BUNDLE}"))
    if not found:
        raise CheckpointError(
            f"{source} holds no checkpoint; expected {BUNDLE} in it, or "
            f"{CHECKPOINTS}/{_PREFIX}*/{BUNDLE}."
        )
    return found[-1]


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads one checkpoint.

    Raises:
        CheckpointError: A file is missing or broken, or the format is another.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        with (
            (folder / "optimizer.npz").open("rb") as opened,
            np.load(opened, allow_pickle=False) as file,
        ):
            optimizer = tuple(file[name] for name in file.files)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{folder} is no complete checkpoint: {error}.") from error
    if state.get("format") != FORMAT_VERSION:
        found = state.get("format")
        raise CheckpointError(
            f"{folder} has checkpoint format {found}, this version reads {FORMAT_VERSION}."
        )
    return Checkpoint(load_bundle(folder / BUNDLE), optimizer, state)


def latest_checkpoint(run: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read; a broken one is passed over with a warning.

    Raises:
        CheckpointError: There are checkpoints, and none can be read.
    """
    folders = checkpoint_folders(run)
    for folder in reversed(folders):
        try:
            return load_checkpoint(folder)
        except CheckpointError as error:
            warnings.warn(f"{error} Trying the one before.", RuntimeWarning, stacklevel=2)
    if folders:
        raise CheckpointError(f"{run}: none of its {len(folders)} checkpoints can be read.")
    return None
