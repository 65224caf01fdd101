"""Scores of single checkpoints as files, one each, and what they were scored on.

Scores of one folder belong together: the same scans with the same label maps, scored alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthseg_common.arrays import FloatArray
from synthseg_common.files import write_text

from synthseg_trainer.aliases import JsonObject
from synthseg_trainer.errors import TrainerError
from synthseg_trainer.evaluation.overlap import mean_of_present
from synthseg_trainer.runs.checkpoints import STEP

_CONTENTS = "files_sha256"


class ValidationError(TrainerError, ValueError):
    """There is nothing to validate, or the folder holds scores that do not go with the others."""


@dataclass(frozen=True)
class Record:
    """Scores of one checkpoint.

    Attributes:
        step: Of the checkpoint.
        scans: Their names.
        labels: Label values of the network, without background.
        names: Their structures.
        dice: float64 `[scan, label]`, NaN for a label that is in neither.
    """

    step: int
    scans: tuple[str, ...]
    labels: tuple[int, ...]
    names: tuple[str, ...]
    dice: FloatArray

    @property
    def mean(self) -> float:
        """Mean over the scans of their mean over the structures."""
        return float(np.nanmean(mean_of_present(self.dice.T)))


def setup_of(options: JsonObject, pairs: Mapping[str, tuple[Path, ...]]) -> JsonObject:
    """How checkpoints are scored, and on what, as JSON values.

    Args:
        options: Fields of the options.
        pairs: By scan its files.

    Raises:
        ValidationError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for name, files in sorted(pairs.items()):
        digest.update(name.encode())
        for path in files:
            try:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise ValidationError(f"{path} cannot be read: {error.strerror}.") from error
    return {**options, "scans": sorted(pairs), _CONTENTS: digest.hexdigest()}


def write_record(folder: Path, record: Record, digest: str, setup: JsonObject) -> None:
    """Writes the scores of one checkpoint.

    Args:
        folder: Of the results.
        record: The scores.
        digest: Of the checkpoint's weights.
        setup: How it was scored, see `setup_of`.

    Raises:
        OutputError: The file cannot be written.
    """
    content = {
        "step": record.step,
        "weights_sha256": digest,
        "setup": setup,
        "labels": record.labels,
        "names": record.names,
        "dice": [[None if np.isnan(v) else float(v) for v in row] for row in record.dice],
    }
    write_text(folder / f"step-{record.step:08d}.json", json.dumps(content))


def read_records(folder: Path, setup: JsonObject) -> dict[int, tuple[Record, str]]:
    """Scores of earlier calls by step, with the digest of their weights.

    Raises:
        ValidationError: A file holds no scores, or those of other scans or options.
    """
    records = {}
    for path in sorted(folder.glob("step-*.json")) if folder.is_dir() else ():
        if not STEP.fullmatch(path.stem):
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            # Earlier versions did not note what the files hold.
            theirs = {_CONTENTS: setup[_CONTENTS], **content["setup"]}
            record = Record(
                step=int(content["step"]),
                scans=tuple(theirs["scans"]),
                labels=tuple(content["labels"]),
                names=tuple(content["names"]),
                dice=np.array(content["dice"], np.float64),
            )
            digest = str(content["weights_sha256"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValidationError(f"{path} holds no scores: {error!r}. Remove it.") from error
        if theirs != setup:
            raise ValidationError(_difference(folder, theirs, setup))
        records[record.step] = (record, digest)
    return records


def _difference(folder: Path, theirs: JsonObject, ours: JsonObject) -> str:
    changed = [
        f"{name}: {theirs.get(name)} -> {ours[name]}"
        for name in ours
        if theirs.get(name) != ours[name] and name != _CONTENTS
    ]
    changed = changed or ["files of the same names hold something else"]
    return (
        f"{folder} holds scores of other scans or options ({'; '.join(changed)}): "
        "name another folder with --o, or remove it."
    )
