import json
from pathlib import Path

import numpy as np
import pytest
from synthseg_trainer.evaluation.label_lists import LabelListError, read_label_list


def test_values_keep_their_order_and_get_their_names() -> None:
    labels = read_label_list("53,17, 2000")
    assert labels.values == (53, 17, 2000)
    assert labels.names == ("right hippocampus", "left hippocampus", "label 2000")


def test_tables_of_the_released_models_come_without_background() -> None:
    assert len(read_label_list("v1").values) == 31
    assert 24 in read_label_list("v2").values


def test_a_label_table_of_one_s_own_gives_its_answers(tmp_path: Path) -> None:
    table = {"values": [0, 1, 5, 6], "n_neutral": 2, "targets": [0, 0, 5, 6], "names": {5: "core"}}
    path = tmp_path / "phantom.json"
    path.write_text(json.dumps(table))
    labels = read_label_list(str(path))
    assert labels.values == (5, 6)
    assert labels.names == ("core", "label 6")


def test_arrays_and_texts_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.array([3, 42, 2]))
    assert read_label_list(str(tmp_path / "labels.npy")).values == (3, 42, 2)
    text = tmp_path / "colours.txt"
    text.write_text("# No. Label\n2  Left-Cerebral-White-Matter  245 245 245 0\n\n41 right side\n")
    labels = read_label_list(str(text))
    assert labels.values == (2, 41)
    assert labels.names == ("Left-Cerebral-White-Matter", "right side")


def test_the_original_s_lists_are_read(shared_data: Path) -> None:
    folder = shared_data / "label_tables"
    values = read_label_list(str(folder / "synthseg_segmentation_labels.npy")).values
    assert sorted(values)[1:] == list(read_label_list("v1").values)
    named = read_label_list(str(folder / "labels_table.txt"))
    assert dict(zip(named.values, named.names, strict=True))[17] == "left hippocampus"


@pytest.mark.parametrize("content", ["", "no numbers here", "--1 twice", "² above"])
def test_a_list_without_labels_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(content)
    with pytest.raises(LabelListError, match=r"labels\.txt holds no label values"):
        read_label_list(str(path))


def test_a_missing_list_and_a_broken_array_are_named(tmp_path: Path) -> None:
    with pytest.raises(LabelListError, match=r"nothing\.txt: neither label values"):
        read_label_list(str(tmp_path / "nothing.txt"))
    broken = tmp_path / "labels.npy"
    broken.write_text("text")
    with pytest.raises(LabelListError, match=r"labels\.npy is no readable array"):
        read_label_list(str(broken))
    np.save(broken, np.array([[0.5]]))
    with pytest.raises(LabelListError, match="no list of integers"):
        read_label_list(str(broken))
