"""Which labels to score, in which order, and what they are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthseg_common.labels import STRUCTURE_NAMES
from synthseg_generator.errors import LabelError
from synthseg_generator.label_table import LABEL_TABLES, read_label_table

from synthseg_trainer.errors import TrainerError

_TABLES = (".json", ".yaml", ".yml")
_NUMBER = re.compile(r"\s*-?[0-9]+\s*")


class LabelListError(TrainerError, ValueError):
    """A list of labels cannot be read, or is empty."""


@dataclass(frozen=True)
class LabelList:
    """Label values in the order asked for, none of them twice.

    Attributes:
        values: Label values.
        names: Their structures.
    """

    values: tuple[int, ...]
    names: tuple[str, ...]


def read_label_list(choice: str) -> LabelList:
    """The labels that `--labels` names.

    Args:
        choice: Values as `2,3,41`; `v1` or `v2` (the released models' labels without background);
            a label table of your own (JSON or YAML, its answers without background); an array
            `.npy`; or a text whose lines begin with a value, and may go on with a name
            (`2 Left-Cerebral-White-Matter ...`), others are skipped.
            A value that is repeated, as in the original's lists, counts once.

    Raises:
        LabelListError: It is none of these, or empty.
    """
    if choice in LABEL_TABLES or choice.endswith(_TABLES):
        return _from_table(choice)
    pairs: list[tuple[int, str | None]]
    if _is_list(choice):
        pairs = [(int(part), None) for part in choice.split(",")]
    elif choice.endswith(".npy"):
        pairs = [(value, None) for value in _read_array(Path(choice))]
    else:
        pairs = _read_text(Path(choice))
    if not pairs:
        raise LabelListError(f"{choice} holds no label values, expected some.")
    names: dict[int, str] = {}
    for value, name in pairs:
        names.setdefault(value, name or structure_name(value))
    return LabelList(tuple(names), tuple(names.values()))


def structure_name(value: int) -> str:
    """Name of a structure by its FreeSurfer value; `label <value>` where there is none."""
    return STRUCTURE_NAMES.get(value, f"label {value}")


def _from_table(choice: str) -> LabelList:
    try:
        table = read_label_table(choice).segmentation_labels()
    except LabelError as error:
        raise LabelListError(str(error)) from error
    return LabelList(table.values[1:], table.names[1:])


def _is_list(choice: str) -> bool:
    return all(_NUMBER.fullmatch(part) for part in choice.split(","))


def _read_array(path: Path) -> list[int]:
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise LabelListError(f"{path} is no readable array of labels: {error}.") from error
    if array.ndim > 1 or not np.array_equal(array, np.rint(array)):
        raise LabelListError(f"{path} holds no list of integers, but {array.dtype} {array.shape}.")
    return [int(value) for value in np.atleast_1d(array)]


def _read_text(path: Path) -> list[tuple[int, str | None]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelListError(
            f"{path}: neither label values (2,3,41), nor v1 or v2, nor a readable file of labels: "
            f"{error}."
        ) from error
    pairs: list[tuple[int, str | None]] = []
    for line in lines:
        first, *rest = line.replace(",", " ").split() or [""]
        if not _is_list(first):
            continue
        # Colours may follow the name.
        words = []
        for word in rest:
            if _is_list(word):
                break
            words.append(word)
        if rest and not words:
            pairs += [(int(part), None) for part in (first, *rest) if _is_list(part)]
        else:
            pairs.append((int(first), " ".join(words) or None))
    return pairs
