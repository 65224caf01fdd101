import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthseg_common.errors import LabelTableError
from synthseg_common.labels import (
    CONTRAST_SPECIFIC_CLASSES,
    GENERATION_V1,
    GENERATION_V2,
    SYNTHSEG_V1,
    SYNTHSEG_V2,
    GenerationLabels,
    SegmentationLabels,
)

SMALL = GenerationLabels(
    values=(0, 7, 1, 2), n_neutral=2, classes=(0, 1, 2, 2), targets=(0, 0, 1, 2)
)


@pytest.mark.parametrize(("table", "name"), [(SYNTHSEG_V1, "v1"), (SYNTHSEG_V2, "v2")])
def test_channels_equal_the_released_tables(
    shared_data: Path, table: SegmentationLabels, name: str
) -> None:
    with np.load(shared_data / "reference" / "models" / f"labels_{name}.npz") as recorded:
        assert list(table.values) == recorded["labels"].tolist()
        assert list(table.names) == recorded["names"].tolist()
        assert list(table.topology_classes) == recorded["topology"].tolist()
        assert list(table.flip_channels) == recorded["flip_indices"].tolist()


@pytest.mark.parametrize(
    ("ours", "file"),
    [
        (GENERATION_V1.values, "generation_labels"),
        (GENERATION_V1.classes, "generation_classes"),
        (GENERATION_V1.targets, "synthseg_segmentation_labels"),
        (CONTRAST_SPECIFIC_CLASSES, "generation_classes_contrast_specific"),
    ],
)
def test_generation_tables_equal_the_released_arrays(
    shared_data: Path, ours: tuple[int, ...], file: str
) -> None:
    assert list(ours) == np.load(shared_data / "label_tables" / f"{file}.npy").tolist()


def test_flipping_exchanges_the_sided_halves() -> None:
    assert SMALL.flip_indices == (0, 1, 3, 2)


def test_targets_make_the_table_of_the_network() -> None:
    table = SMALL.segmentation_labels({1: "left thing"}, {1: 5})
    assert table.values == (0, 1, 2)
    assert table.names == ("background", "left thing", "label 2")
    assert table.topology_classes == (0, 5, 0)
    assert table.flip_channels == (0, 2, 1)


@pytest.mark.parametrize("table", [SMALL, GENERATION_V2])
def test_generation_table_survives_json(table: GenerationLabels) -> None:
    assert GenerationLabels.from_json(table.to_json()) == table


def test_segmentation_table_survives_json() -> None:
    assert SegmentationLabels.from_json(SYNTHSEG_V2.to_json()) == SYNTHSEG_V2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"values": (0, 7, 1, 1)}, "repeat"),
        ({"targets": (0, 0, 1)}, "targets has 3 entries"),
        ({"n_neutral": 1}, "even number"),
        ({"classes": (0, 1, 3, 3)}, "without gaps"),
    ],
)
def test_contradictory_generation_table_is_refused(
    change: dict[str, Any],
    named: str,
) -> None:
    with pytest.raises(LabelTableError, match=named):
        dataclasses.replace(SMALL, **change)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"names": ("background",)}, "names has 1 entries"),
        ({"values": (0, 2, 1)}, "ascend"),
        ({"flip_channels": (1, 2, 0)}, "flip_channels"),
    ],
)
def test_contradictory_segmentation_table_is_refused(change: dict[str, Any], named: str) -> None:
    table = SMALL.segmentation_labels()
    with pytest.raises(LabelTableError, match=named):
        dataclasses.replace(table, **change)


def test_text_that_is_no_table_is_refused() -> None:
    with pytest.raises(LabelTableError, match="not a label table"):
        SegmentationLabels.from_json('{"values": [0]}')
