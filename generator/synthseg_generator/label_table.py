"""The label table that travels with a store: generation labels plus the names of the structures.

Importing this module loads nothing heavy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from synthseg_common.contract import BRAIN
from synthseg_common.errors import one_line
from synthseg_common.label_types import channel_dtype
from synthseg_common.labels import (
    BACKGROUND,
    GENERATION_V1,
    GENERATION_V2,
    STRUCTURE_NAMES,
    STRUCTURE_TOPOLOGY,
    GenerationLabels,
    SegmentationLabels,
)

from synthseg_generator.errors import LabelError
from synthseg_generator.settings.files import parse_yaml
from synthseg_generator.settings.labels import LabelSettings


@dataclass(frozen=True)
class LabelTable:
    """What the ids of a store mean.

    Attributes:
        labels: The labels of the maps; a voxel holds an index into `labels.values`.
        structure_names: Name per target value, for the network's table.
        structure_topology: Topological class per target value; values not named are not filtered.
        anatomy: What the maps show. A client holds true of `BRAIN` alone that all structures hang
            together, that there is a head to look for, and how large the whole may be.
    """

    labels: GenerationLabels
    structure_names: Mapping[int, str] = field(default_factory=dict)
    structure_topology: Mapping[int, int] = field(default_factory=dict)
    anatomy: str = BRAIN

    def segmentation_labels(self, settings: LabelSettings | None = None) -> SegmentationLabels:
        """The table of a network that is trained on these maps.

        Args:
            settings: What takes the place of the table's own lists.

        Raises:
            ConfigError: The settings contradict the table.
        """
        labels = self.labels if settings is None else settings.apply(self.labels)
        return labels.segmentation_labels(self.structure_names, self.structure_topology)

    @property
    def id_dtype(self) -> np.dtype[Any]:
        """Smallest unsigned integer type that holds every id."""
        return channel_dtype(len(self.labels))

    def to_attributes(self) -> dict[str, Any]:
        """The table as attributes of a Zarr group."""
        return {
            "labels": json.loads(self.labels.to_json()),
            "structure_names": {str(k): v for k, v in self.structure_names.items()},
            "structure_topology": {str(k): v for k, v in self.structure_topology.items()},
            # Left out for brains, so that stores and plans of earlier versions keep their digest.
            **({} if self.anatomy == BRAIN else {"anatomy": self.anatomy}),
        }

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> LabelTable:
        """Reads what `to_attributes` wrote.

        Raises:
            LabelError: The attributes hold no label table.
        """
        names = attributes.get("structure_names", {})
        topology = attributes.get("structure_topology", {})
        return cls(
            labels=GenerationLabels.from_json(attributes.get("labels", {})),
            structure_names={int(k): str(v) for k, v in names.items()},
            structure_topology={int(k): int(v) for k, v in topology.items()},
            anatomy=str(attributes.get("anatomy", BRAIN)),
        )


LABEL_TABLES = {
    "v1": LabelTable(GENERATION_V1, STRUCTURE_NAMES, STRUCTURE_TOPOLOGY),
    "v2": LabelTable(GENERATION_V2, STRUCTURE_NAMES, STRUCTURE_TOPOLOGY),
}
"""The tables of the released models by the name that the command line takes."""

_UNNAMED = "other"


@dataclass(frozen=True, kw_only=True)
class _TableFile:
    """What the file of a label table holds, see `read_label_table`."""

    values: tuple[int, ...]
    n_neutral: int
    classes: tuple[int, ...] | None = None
    targets: tuple[int, ...] | None = None
    names: dict[int, str] | None = None
    topology: dict[int, int] | None = None
    anatomy: str | None = None


_FILE_KEYS = tuple(f.name for f in fields(_TableFile))


def read_label_table(choice: str | Path) -> LabelTable:
    """The table that `--labels` names.

    A file of your own anatomy (JSON or YAML) is one object::

        values: [0, 2, 41]        label values of the maps: neutral, then left, then right ones
        n_neutral: 1              how many of them have no side
        classes: [0, 1, 1]        intensity class of each (optional: one class per label)
        targets: [0, 2, 41]       value that the network answers for each (optional: the same)
        names: {2: left white matter}        (optional)
        topology: {2: 1, 41: 2}              (optional)
        anatomy: abdomen          what the maps show (optional: brain if all targets are values of
                                  the released models, other if not)

    Args:
        choice: `v1`, `v2`, or the path of such a file.

    Raises:
        LabelError: No such table, or the file holds something else.
    """
    if str(choice) in LABEL_TABLES:
        return LABEL_TABLES[str(choice)]
    path = Path(choice)
    if not path.is_file():
        raise LabelError(
            f"no label table {choice}: give {', '.join(LABEL_TABLES)} or a JSON or YAML file."
        )
    content = _parse(path)
    try:
        return _make_table(_read_columns(content))
    except ValueError as error:  # ours and those of the tables
        raise LabelError(f"{path}: {error}") from error


def _parse(path: Path) -> Mapping[object, object]:
    try:
        content = parse_yaml(path)
    except (OSError, ValueError) as error:
        raise LabelError(f"{path} is no readable JSON or YAML: {one_line(error)}.") from error
    if not isinstance(content, dict):
        raise LabelError(f"{path} holds no object with the keys {', '.join(_FILE_KEYS)}.")
    return content


def _read_columns(content: Mapping[object, object]) -> _TableFile:
    from cattrs import ClassValidationError, Converter

    from synthseg_generator.settings.refusals import tell_complaints

    unknown = sorted(set(content) - set(_FILE_KEYS), key=str)
    missing = [key for key in ("values", "n_neutral") if key not in content]
    if unknown or missing:
        raise LabelError(
            f"unknown keys {unknown}, missing keys {missing}; "
            f"a label table has {', '.join(_FILE_KEYS)}."
        )
    converter = Converter()
    converter.register_structure_hook(int, lambda value, _: _read_whole_number(value))
    try:
        return converter.structure(content, _TableFile)
    except ClassValidationError as refusal:
        raise LabelError("; ".join(map(str, tell_complaints(refusal, "")))) from refusal


def _read_whole_number(value: int | float | str) -> int:
    """A number that is whole; JSON writes those that name something as text."""
    number = int(value)
    if isinstance(value, bool) or (isinstance(value, float) and value != number):
        raise LabelError(f"expected a whole number, got {value!r}.")
    return number


def _make_table(file: _TableFile) -> LabelTable:
    if BACKGROUND not in file.values:
        raise LabelError(
            f"values {file.values} lack {BACKGROUND}, which stands for the background."
        )
    targets = file.values if file.targets is None else file.targets
    classes = tuple(range(len(file.values))) if file.classes is None else file.classes
    released = {0, *targets} <= set(STRUCTURE_NAMES)
    table = LabelTable(
        labels=GenerationLabels(file.values, file.n_neutral, classes, targets),
        structure_names=file.names or {},
        structure_topology=file.topology or {},
        anatomy=file.anatomy or (BRAIN if released else _UNNAMED),
    )
    table.segmentation_labels()  # contradictions between the targets show here, not in training
    return table
