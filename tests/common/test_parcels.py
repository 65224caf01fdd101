"""The parcels' and the quality groups' tables, against those that came with the original."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from synthseg_common.labels import SYNTHSEG_V1, SYNTHSEG_V2
from synthseg_common.parcels import (
    GROUP_OF_LABEL,
    PARCELS,
    PARCELS_PER_SIDE,
    QUALITY_GROUPS,
    is_released_table,
)


def test_parcels_are_freesurfers_34_of_each_side() -> None:
    assert PARCELS_PER_SIDE == 34
    left, right = PARCELS.values[1:35], PARCELS.values[35:]
    assert left == (*range(1001, 1004), *range(1005, 1036))
    assert right == tuple(value + 1000 for value in left)
    assert PARCELS.names[1] == "ctx-lh-bankssts"
    assert PARCELS.names[PARCELS.values.index(2035)] == "ctx-rh-insula"
    assert PARCELS.names[PARCELS.values.index(1024)] == "ctx-lh-precentral"


def test_a_parcels_partner_has_its_name_on_the_other_side() -> None:
    for name, other in zip(PARCELS.names, PARCELS.flip_channels, strict=True):
        assert PARCELS.names[other].replace("-rh-", "-lh-") == name.replace("-rh-", "-lh-")


def test_groups_of_labels_are_those_of_the_recorded_stage(shared_data: Path) -> None:
    with np.load(shared_data / "reference_2.0/stages/qc_64.npz") as stage:
        recorded = dict(zip(stage["labels"].tolist(), stage["qc_labels_per_index"], strict=True))
    assert recorded == GROUP_OF_LABEL


def test_every_label_has_a_group_and_every_group_a_label() -> None:
    assert set(GROUP_OF_LABEL) == set(SYNTHSEG_V2.values)
    assert set(GROUP_OF_LABEL.values()) == set(QUALITY_GROUPS.values)


def test_the_released_tables_are_known_and_no_other() -> None:
    assert is_released_table(SYNTHSEG_V1.values)
    assert is_released_table(SYNTHSEG_V2.values)
    assert not is_released_table((0, 2, 3))
