"""Checkpoints: weights, optimizer and position of a run; written whole, rotated.

RUN/checkpoints/step-00001000/
    model.npz        bundle: weights, network, labels (what `synthseg-serving export` takes)
    optimizer.npz    the optimizer's variables in their order
    state.json       step, settings, format version
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthseg_trainer.bundle import Bundle, load_bundle, save_bundle
from synthseg_trainer.errors import CheckpointError

FORMAT_VERSION = 1
CHECKPOINTS = "checkpoints"
BUNDLE = "model.npz"
_PREFIX = "step-"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        bundle: Weights, network, labels.
        optimizer: The optimizer's variables in their order.
        state: `step` (steps done) and `settings`, as JSON values.
    """

    bundle: Bundle
    optimizer: tuple[np.ndarray, ...]
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """Steps done, which is the number of the next one."""
        return int(self.state["step"])


def save_checkpoint(run: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Writes a checkpoint whole or not at all, then removes the oldest beyond `keep`.

    Returns:
        Its folder.
    """
    folder = run / CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{_PREFIX}{checkpoint.step:08d}"
    temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".writing-"))
    try:
        save_bundle(temporary / BUNDLE, checkpoint.bundle)
        with (temporary / "optimizer.npz").open("wb") as file:
            np.savez(file, *checkpoint.optimizer)
            _sync(file)
        with (temporary / "state.json").open("w", encoding="utf-8") as text:
            json.dump({"format": FORMAT_VERSION, **checkpoint.state}, text, indent=1)
            _sync(text)
        temporary.chmod(0o755)
        if place.exists():
            shutil.rmtree(place)
        temporary.replace(place)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in checkpoint_folders(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


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


def settings_difference(old: Any, new: Any, free: Sequence[str], path: str = "") -> list[str]:
    """Where two nested settings differ, as `name: old -> new`, but for the names in `free`."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in {**old, **new} if f"{path}{name}" not in free]
        return [
            line
            for name in names
            for line in settings_difference(old.get(name), new.get(name), free, f"{path}{name}.")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [
            line
            for i, (a, b) in pairs
            for line in settings_difference(a, b, free, f"{path[:-1]}[{i}].")
        ]
    return [] if old == new else [f"{path[:-1]}: {old!r} -> {new!r}"]
