"""Label tables of a store, by name or from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthseg_common.labels import SYNTHSEG_V1, SYNTHSEG_V2
from synthseg_generator.errors import LabelError
from synthseg_generator.label_table import LABEL_TABLES, LabelTable, read_label_table

OWN = {
    "values": [0, 7, 1, 2],
    "n_neutral": 2,
    "classes": [0, 1, 2, 2],
    "targets": [0, 7, 1, 2],
    "names": {1: "left lung", 2: "right lung"},
    "topology": {1: 1, 2: 2},
}


def test_the_released_tables_give_the_released_networks_tables() -> None:
    assert read_label_table("v1").segmentation_labels() == SYNTHSEG_V1
    assert read_label_table("v2").segmentation_labels() == SYNTHSEG_V2


def test_attributes_hold_the_whole_table() -> None:
    table = LABEL_TABLES["v2"]
    assert LabelTable.from_attributes(json.loads(json.dumps(table.to_attributes()))) == table


@pytest.mark.parametrize("extension", ["yaml", "json"])
def test_your_own_anatomy_comes_from_a_file(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"lungs.{extension}"
    path.write_text(json.dumps(OWN))  # JSON is YAML
    network = read_label_table(path).segmentation_labels()
    assert network.values == (0, 1, 2, 7)
    assert network.names == ("background", "left lung", "right lung", "label 7")
    assert network.flip_channels == (0, 2, 1, 3)
    assert network.topology_classes == (0, 1, 2, 0)


@pytest.mark.parametrize(
    ("targets", "named", "anatomy"),
    [
        ([0, 2, 41], {}, "brain"),
        ([0, 200, 300], {}, "other"),
        ([0, 2, 41], {"anatomy": "knee"}, "knee"),
    ],
)
def test_a_table_says_what_its_maps_show(
    tmp_path: Path, targets: list[int], named: dict[str, str], anatomy: str
) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"values": targets, "n_neutral": 1, **named}))
    table = read_label_table(path)
    assert table.anatomy == anatomy
    assert LabelTable.from_attributes(json.loads(json.dumps(table.to_attributes()))) == table


def test_classes_and_targets_default_to_one_per_label(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text("values: [0, 5, 6]\nn_neutral: 1\n")
    labels = read_label_table(path).labels
    assert labels.classes == (0, 1, 2)
    assert labels.targets == (0, 5, 6)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("values: [0]", "missing keys \\['n_neutral'\\]"),
        ("values: [0]\nn_neutral: 1\ncolour: red", "unknown keys \\['colour'\\]"),
        ("values: [0, 1]\nn_neutral: 1", "odd number|even number"),
        ("values: [0, a, b]\nn_neutral: 1", "invalid literal"),
        ("values: [0, 2.7, 3]\nn_neutral: 1", "whole number, got 2.7"),
        ("values: [0, true]\nn_neutral: 2", "whole number, got True"),
        ("values: [0, .inf]\nn_neutral: 2", "infinity"),
        ("values: [0, 5]\nn_neutral: 2\ntopology: {5: 1.5}", "whole number, got 1.5"),
        ("values: [1, 2]\nn_neutral: 2", "lack 0, which stands for the background"),
        ("- 1\n- 2", "holds no object"),
        ("{", "no readable JSON or YAML"),
    ],
)
def test_a_contradictory_file_is_refused_by_name(
    tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(content)
    with pytest.raises(LabelError, match=complaint) as caught:
        read_label_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(LabelError, match="no label table v3: give v1, v2 or"):
        read_label_table("v3")
