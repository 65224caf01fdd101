"""Checkpoints: weights, optimizer and position of a run; written whole, rotated.

RUN/checkpoints/step-00001000/
    model.npz        bundle: weights, network, labels (what `synthseg-serving export` takes)
    optimizer.npz    the optimizer's variables in their order
    state.json       step, next sample, digest of the data, settings, format version
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthseg_common.arrays import AnyArray
from synthseg_common.errors import reason_of
from synthseg_common.files import DAMAGED_ARCHIVE, probe_folder, sync, sync_tree

from synthseg_trainer.aliases import JsonObject
from synthseg_trainer.config import TrainSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import Bundle, load_bundle, save_bundle
from synthseg_trainer.runs.provenance import settings_as_json

FORMAT_VERSION = 1
CHECKPOINTS = "checkpoints"
BUNDLE = "model.npz"
STEP = re.compile(r"step-(\d+)")
"""Name of what belongs to a checkpoint; a copy of another name is its owner's."""
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
    optimizer: tuple[AnyArray, ...]
    state: JsonObject

    @property
    def step(self) -> int:
        """Steps done, which is the number of the next one."""
        return int(self.state["step"])


def state_at(step: int, settings: TrainSettings, data: str) -> JsonObject:
    """Where a run stands, as `Checkpoint.state` holds it.

    Args:
        step: Steps done.
        settings: The run.
        data: Digest of the data that samples are made from.
    """
    return {
        "step": step,
        "next_sample": step * settings.batch_size,
        "data": data,
        "settings": settings_as_json(settings),
    }


def prepare_run(run: Path) -> None:
    """Makes the folders of a run, and makes sure that files can be written there.

    Raises:
        CheckpointError: They cannot.
    """
    for folder in (run, run / CHECKPOINTS):
        prepare_folder(folder)


def prepare_folder(folder: Path) -> None:
    """Makes a folder, and makes sure that files can be written there.

    Raises:
        CheckpointError: They cannot.
    """
    with _written(folder, "Give the run another folder, or this one rights and room"):
        probe_folder(folder)


@contextmanager
def _written(place: Path, advice: str) -> Iterator[None]:
    """Names the place, and what to do, where something cannot be written."""
    try:
        yield
    except OSError as error:
        taken = isinstance(error, FileExistsError)
        reason = "there is a file of that name" if taken else error.strerror or reason_of(error)
        raise CheckpointError(f"{place} cannot be written: {reason}. {advice}.") from error


def save_checkpoint(
    run: Path, checkpoint: Checkpoint, keep: int | None = None, keep_every_steps: int | None = None
) -> Path:
    """Writes a checkpoint whole or not at all, then removes the oldest.

    Those of later steps stay: a run writes an earlier one only where they cannot be read.

    Args:
        run: Folder of the run, which nobody else writes.
        checkpoint: What to write.
        keep: How many of the newest stay; `None` for all.
        keep_every_steps: Those of multiples of this step stay too.

    Returns:
        Its folder.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    folder = run / CHECKPOINTS
    place = folder / f"step-{checkpoint.step:08d}"
    with _written(place, "Give it rights and room, then go on with --resume"):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_WRITING}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=_WRITING))
        try:
            _write_files(temporary, checkpoint)
            _put_in_place(temporary, place)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    until_now = {step_of(old): old for old in checkpoint_folders(run)}
    steps = [step for step in until_now if step <= checkpoint.step]
    for step in outdated(steps, keep, keep_every_steps):
        shutil.rmtree(until_now[step], ignore_errors=True)
    return place


def outdated(steps: Sequence[int], keep: int | None, keep_every_steps: int | None) -> list[int]:
    """Steps whose checkpoints are no longer kept.

    Args:
        steps: Those of the checkpoints there are, ascending.
        keep: How many of the newest stay; `None` for all.
        keep_every_steps: Those of multiples of this step stay too.
    """
    older = steps[: -keep if keep else 0]
    return [step for step in older if not keep_every_steps or step % keep_every_steps]


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    save_bundle(folder / BUNDLE, checkpoint.bundle)
    with (folder / "optimizer.npz").open("wb") as file:
        np.savez(file, *checkpoint.optimizer)
    with (folder / "state.json").open("w", encoding="utf-8") as text:
        json.dump({"format": FORMAT_VERSION, **checkpoint.state}, text, indent=1)
    sync_tree(folder)
    folder.chmod(0o755)


def _put_in_place(temporary: Path, place: Path) -> None:
    """Gives a finished checkpoint its name; one that had it goes only then."""
    former = temporary.with_name(f"{temporary.name}-former")
    if place.exists():
        place.replace(former)
    temporary.replace(place)
    sync(place.parent)
    shutil.rmtree(former, ignore_errors=True)


def step_of(folder: Path) -> int:
    """Steps done when the checkpoint of this folder was written."""
    return int(folder.name.removeprefix("step-"))


def checkpoint_folders(run: Path) -> list[Path]:
    """Folders of the finished checkpoints of a run, oldest first.

    Raises:
        CheckpointError: The run cannot be read.
    """
    return _folders_in(run / CHECKPOINTS)


def _folders_in(parent: Path) -> list[Path]:
    """Folders with the names of checkpoints, oldest first; other names are passed over."""
    try:
        found = list(parent.iterdir()) if parent.is_dir() else []
        named = [path for path in found if STEP.fullmatch(path.name) and path.is_dir()]
    except OSError as error:
        raise CheckpointError(f"{parent} cannot be read: {reason_of(error)}.") from error
    return sorted(named, key=step_of)


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
    found = [folder / BUNDLE for folder in _folders_in(parent) if (folder / BUNDLE).is_file()]
    if not found:
        raise CheckpointError(
            f"{source} holds no checkpoint; expected {BUNDLE} in it, or "
            f"{CHECKPOINTS}/step-*/{BUNDLE}."
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
    except DAMAGED_ARCHIVE as error:
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
    broken: CheckpointError | None = None
    for folder in reversed(folders):
        try:
            return load_checkpoint(folder)
        except CheckpointError as error:
            warnings.warn(f"{error} Trying the one before.", RuntimeWarning, stacklevel=2)
            broken = broken or error
    if broken is not None:
        number = len(folders)
        raise CheckpointError(f"{run}: none of its {number} checkpoints can be read.") from broken
    return None
