"""The label tables: what the training maps hold, and what the network answers.

Importing this module loads nothing heavy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from synthseg_common.errors import LabelTableError

BACKGROUND = 0
CSF = 24
"""FreeSurfer's cerebrospinal fluid; tables that hold it cover all that lies within the skull."""


@dataclass(frozen=True)
class SegmentationLabels:
    """Channels of a segmentation network, one row each, ascending label values, background first.

    Attributes:
        values: Label values as written to disk.
        names: Structure names.
        topology_classes: Channels of one class keep their common largest component; 0 is not
            filtered.
        flip_channels: For each channel that of the same structure on the other side; midline
            channels name themselves.
    """

    values: tuple[int, ...]
    names: tuple[str, ...]
    topology_classes: tuple[int, ...]
    flip_channels: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuses a table that contradicts itself.

        Raises:
            LabelTableError: Lengths differ, values do not ascend from background, or flipping twice
                moves a channel.
        """
        count = len(self.values)
        _refuse_other_lengths(self, "names", "topology_classes", "flip_channels")
        if (
            not self.values
            or self.values[0] != BACKGROUND
            or list(self.values) != sorted(set(self.values))
        ):
            raise LabelTableError(
                f"label values must ascend from background 0 without repeats, got {self.values}."
            )
        flip = self.flip_channels
        if sorted(flip) != list(range(count)) or any(flip[flip[i]] != i for i in range(count)):
            raise LabelTableError(
                f"flip_channels must pair channels (flipping twice is no flip), got {flip}."
            )

    def __len__(self) -> int:
        return len(self.values)

    def to_json(self) -> str:
        """The table as a JSON object, for files and attributes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> SegmentationLabels:
        """Reads what `to_json` wrote (or the object parsed from it).

        Raises:
            LabelTableError: The text is no such table.
        """
        return cls(**_read_columns(text, ("values", "names", "topology_classes", "flip_channels")))


@dataclass(frozen=True)
class GenerationLabels:
    """Labels of the training maps: their intensity classes and what the network shall answer.

    The list runs neutral labels first, then left, then right ones in the same order, as in the
    original.

    Attributes:
        values: Label values in the training maps.
        n_neutral: How many of them, from the start, have no side.
        classes: For each label the intensity class; labels of one class share their Gaussian.
        targets: For each label the value that the network shall answer; 0 hides it in the
            background.
    """

    values: tuple[int, ...]
    n_neutral: int
    classes: tuple[int, ...]
    targets: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuses a table that contradicts itself.

        Raises:
            LabelTableError: Repeated values, lengths that differ, an odd number of sided labels, or
                gaps in the classes.
        """
        count = len(self.values)
        if len(set(self.values)) != count:
            raise LabelTableError(f"generation labels repeat a value: {self.values}.")
        _refuse_other_lengths(self, "classes", "targets")
        if not 0 < self.n_neutral <= count or (count - self.n_neutral) % 2:
            raise LabelTableError(
                f"{count} labels with {self.n_neutral} neutral ones leave "
                f"{count - self.n_neutral} sided labels, expected an even number: "
                "as many left as right."
            )
        if sorted(set(self.classes)) != list(range(max(self.classes) + 1)):
            raise LabelTableError(
                f"classes must number 0, 1, 2, ... without gaps, got {sorted(set(self.classes))}."
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_classes(self) -> int:
        """Number of intensity classes."""
        return max(self.classes) + 1

    @property
    def flip_indices(self) -> tuple[int, ...]:
        """For each list index that of the same structure on the other side."""
        half = (len(self.values) - self.n_neutral) // 2
        left = range(self.n_neutral, self.n_neutral + half)
        right = range(self.n_neutral + half, len(self.values))
        return (*range(self.n_neutral), *right, *left)

    def segmentation_labels(
        self, names: Mapping[int, str] | None = None, topology: Mapping[int, int] | None = None
    ) -> SegmentationLabels:
        """The network's table that follows from the targets.

        Args:
            names: Name per target value; `label <value>` where it has none.
            topology: Topological class per target value; 0 (unfiltered) where it has none.

        Raises:
            LabelTableError: The targets of a left/right pair of labels contradict each other.
        """
        values = sorted({BACKGROUND, *self.targets})
        partner = {value: value for value in values}
        for index, other in enumerate(self.flip_indices):
            here, there = self.targets[index], self.targets[other]
            if index == other or here == BACKGROUND:
                continue
            if partner[here] not in (here, there):
                raise LabelTableError(
                    f"target {here} is paired with both {partner[here]} and {there} "
                    "across the midline."
                )
            partner[here] = there
        return SegmentationLabels(
            values=tuple(values),
            names=tuple(
                (names or {}).get(v, "background" if v == BACKGROUND else f"label {v}")
                for v in values
            ),
            topology_classes=tuple((topology or {}).get(v, 0) for v in values),
            flip_channels=tuple(values.index(partner[v]) for v in values),
        )

    def to_json(self) -> str:
        """The table as a JSON object, for files and attributes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> GenerationLabels:
        """Reads what `to_json` wrote (or the object parsed from it).

        Raises:
            LabelTableError: The text is no such table.
        """
        return cls(**_read_columns(text, ("values", "n_neutral", "classes", "targets")))


def _refuse_other_lengths(table: SegmentationLabels | GenerationLabels, *columns: str) -> None:
    for name in columns:
        if len(getattr(table, name)) != len(table):
            raise LabelTableError(
                f"{name} has {len(getattr(table, name))} entries, "
                f"expected {len(table)}: one per label."
            )


def _read_columns(text: str | Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    try:
        table = json.loads(text) if isinstance(text, str) else dict(text)
        return {
            c: tuple(table[c]) if isinstance(table[c], list | tuple) else table[c] for c in columns
        }
    except (KeyError, TypeError, ValueError) as error:
        raise LabelTableError(
            f"not a label table with the columns {', '.join(columns)}: {error!r}."
        ) from error


# The tables of the released models (Apache-2.0, Billot et al. 2023,
# doi:10.1016/j.media.2023.102789).
_NEUTRAL = (0, 14, 15, 16, 24, 72, 85, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530)
_LEFT = (2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 17, 18, 25, 26, 28, 30, 136, 137)
_RIGHT = (41, 42, 43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 57, 58, 60, 62, 163, 164)
_LEFT_TARGETS = (2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 17, 18, 2, 26, 28, 0, 4, 5)
_RIGHT_TARGETS = (41, 42, 43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 41, 58, 60, 0, 43, 44)
# Lateral ventricles share a class, hippocampus and amygdala too; lesions (25, 57) and vessels have
# their own.
_LEFT_CLASSES = (18, 19, 20, 20, 21, 22, 23, 24, 25, 26, 27, 27, 28, 29, 30, 31, 32, 32)
_RIGHT_CLASSES = (33, 34, 35, 35, 36, 37, 38, 39, 40, 41, 42, 42, 43, 44, 45, 46, 47, 47)


def _released(csf: int) -> GenerationLabels:
    neutral_targets = (0, 14, 15, 16, csf, *(0,) * 13)
    return GenerationLabels(
        values=_NEUTRAL + _LEFT + _RIGHT,
        n_neutral=len(_NEUTRAL),
        classes=(*range(len(_NEUTRAL)), *_LEFT_CLASSES, *_RIGHT_CLASSES),
        targets=neutral_targets + _LEFT_TARGETS + _RIGHT_TARGETS,
    )


GENERATION_V1 = _released(csf=0)
"""Training maps of SynthSeg 1.0: CSF (24) is background."""
GENERATION_V2 = _released(csf=CSF)
"""Training maps of SynthSeg 2.0: CSF (24) is a structure."""

# Contrast-specific classes (tutorial 3 of the original): tissues of one kind share a class, both
# sides alike.
CONTRAST_SPECIFIC_CLASSES = (
    *(0, 1, 1, 13, 1, 1, 2, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24),
    *(2, 3, 1, 1, 4, 5, 6, 3, 7, 8, 3, 3, 10, 3, 9, 11, 12, 12) * 2,
)

_SIDED_NAMES = {
    2: "cerebral white matter",
    3: "cerebral cortex",
    4: "lateral ventricle",
    5: "inferior lateral ventricle",
    7: "cerebellum white matter",
    8: "cerebellum cortex",
    10: "thalamus",
    11: "caudate",
    12: "putamen",
    13: "pallidum",
    17: "hippocampus",
    18: "amygdala",
    26: "accumbens area",
    28: "ventral DC",
}
_SIDES = dict(zip(_LEFT, _RIGHT, strict=True))
STRUCTURE_NAMES: dict[int, str] = {
    0: "background",
    14: "3rd ventricle",
    15: "4th ventricle",
    16: "brain-stem",
    CSF: "csf",
    **{value: f"left {name}" for value, name in _SIDED_NAMES.items()},
    **{_SIDES[value]: f"right {name}" for value, name in _SIDED_NAMES.items()},
}
"""Names of the released models' structures by FreeSurfer label value."""

_LEFT_TOPOLOGY = {
    **dict.fromkeys((2, 3, 4, 5), 4),
    **dict.fromkeys((7, 8), 5),
    **{10: 6, 11: 7, 12: 8, 13: 9, 17: 10, 18: 11, 26: 12, 28: 13},
}
STRUCTURE_TOPOLOGY: dict[int, int] = {
    **{14: 1, 15: 2, 16: 3},
    **_LEFT_TOPOLOGY,
    **{_SIDES[value]: group + 10 for value, group in _LEFT_TOPOLOGY.items()},
}
"""Topological classes of the released models by label value; CSF (24) is not filtered."""

SYNTHSEG_V1 = GENERATION_V1.segmentation_labels(STRUCTURE_NAMES, STRUCTURE_TOPOLOGY)
"""32 channels of SynthSeg 1.0."""
SYNTHSEG_V2 = GENERATION_V2.segmentation_labels(STRUCTURE_NAMES, STRUCTURE_TOPOLOGY)
"""33 channels of SynthSeg 2.0."""
