"""What a served model says about itself: its label table and its version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from synthseg_common import contract
from synthseg_common.arrays import AnyArray, Int32Array
from synthseg_common.labels import CSF
from synthseg_common.parcels import LEFT_CORTEX, RIGHT_CORTEX
from synthseg_common.processing import VOXEL_MM

from synthseg_client.errors import ModelError


@dataclass(frozen=True)
class Model:
    """A served model.

    Attributes:
        name: Name it is served under.
        version: Version that answered.
        label_values: int32 `[label]`, ascending, background first.
        label_names: One per label.
        topology_classes: int32 `[label]`: labels of one class keep their common largest component;
            0 is not filtered.
        flip_channels: int32 `[label]`: index of the same structure on the other side.
        info: What else the model says: `contract`, `network`, `training`, `licence`, ...
    """

    name: str
    version: int
    label_values: Int32Array
    label_names: tuple[str, ...]
    topology_classes: Int32Array
    flip_channels: Int32Array
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_labels(self) -> int:
        """Number of channels, background included."""
        return len(self.label_values)

    @property
    def is_brain(self) -> bool:
        """Whether what is true of brains alone may be expected of its answers."""
        return contract.is_brain(self.info)

    @property
    def voxel_mm(self) -> float:
        """Voxel size that it was trained at, in mm."""
        return float(self.info.get("voxel_size_mm", VOXEL_MM))

    @property
    def max_voxels(self) -> int | None:
        """Voxels that the network grid may have; None if the model does not say."""
        told = self.info.get(contract.MAX_VOXELS)
        return None if told is None else int(told)

    @property
    def role(self) -> str:
        """What it does, see `contract.ROLE`."""
        return str(self.info.get(contract.ROLE, contract.SEGMENTER))

    @property
    def fast_only(self) -> bool:
        """Whether its answers are meant for the fast clean-up, whatever is asked."""
        return bool(self.info.get(contract.FAST_CLEAN_UP, False))

    @property
    def has_csf(self) -> bool:
        """Whether the labels cover all that lies within the skull."""
        return self.is_brain and CSF in self.label_values

    @property
    def title(self) -> str:
        """Name and version in one word, as written into results."""
        return f"{self.name}:{self.version}"

    def fingerprint(self) -> str:
        """Hex digest that changes whenever another model, version or label table answers."""
        told = [
            self.name,
            self.version,
            self.label_values.tolist(),
            self.label_names,
            self.topology_classes.tolist(),
        ]
        return hashlib.sha256(
            json.dumps([*told, dict(self.info)], sort_keys=True).encode()
        ).hexdigest()


def fingerprint_of(segmenter: Model, companions: Sequence[Model]) -> str:
    """Hex digest that changes whenever any of the models that made a result is another."""
    if not companions:
        return segmenter.fingerprint()
    prints = [model.fingerprint() for model in (segmenter, *companions)]
    return hashlib.sha256(" ".join(prints).encode()).hexdigest()


class LabelTable(NamedTuple):
    """Values and names of what a label map may hold, in ascending order."""

    values: tuple[int, ...]
    names: tuple[str, ...]


def label_table(segmenter: Model, companions: Iterable[Model] = ()) -> LabelTable:
    """The table of a segmenter's label maps, with the parcels of a companion if it has them."""
    names = dict(zip(segmenter.label_values.tolist(), segmenter.label_names, strict=True))
    for model in companions:
        if model.role == contract.PARCELLATOR:
            names = {v: n for v, n in names.items() if v not in (LEFT_CORTEX, RIGHT_CORTEX)}
            parcels = zip(model.label_values.tolist(), model.label_names, strict=True)
            names |= dict(list(parcels)[1:])
    values = tuple(sorted(names))
    return LabelTable(values, tuple(names[value] for value in values))


def read_description(answer: Mapping[str, AnyArray], name: str, version: int) -> Model:
    """The model from its answer to `describe`.

    Args:
        answer: Arrays by output name.
        name: Name that it was asked by.
        version: Version that answered.

    Raises:
        ModelError: The answer is incomplete, contradicts itself, or speaks another version of the
            contract.
    """
    try:
        info = json.loads(answer[contract.MODEL_INFO].item())
        values, classes, flips = (
            answer[key].astype(np.int32)
            for key in (contract.LABEL_VALUES, contract.TOPOLOGY_CLASSES, contract.FLIP_CHANNELS)
        )
        names = tuple(text.decode() for text in answer[contract.LABEL_NAMES].tolist())
    except (KeyError, ValueError, AttributeError) as error:
        raise ModelError(
            f"model {name!r} does not describe itself as a segmentation model: {error!r}."
        ) from error
    if info.get("contract") != contract.VERSION:
        raise ModelError(
            f"model {name!r} speaks version {info.get('contract')} of the contract, "
            f"this client version {contract.VERSION}: update the older of the two."
        )
    if (
        not len(values) == len(names) == len(classes) == len(flips) > 1
        or values[0] != 0
        or np.any(np.diff(values) < 1)
    ):
        raise ModelError(f"model {name!r} has a label table that contradicts itself.")
    if not _is_count(info.get(contract.MAX_VOXELS)):
        raise ModelError(
            f"model {name!r} says that it takes {info[contract.MAX_VOXELS]!r} voxels, which is no "
            "number of voxels."
        )
    return Model(name, version, values, names, classes, flips, info)


def _is_count(told: object) -> bool:
    """Whether a model says nothing, or a number of voxels."""
    return told is None or (isinstance(told, int) and not isinstance(told, bool) and told > 0)
