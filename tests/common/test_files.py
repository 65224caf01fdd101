"""Files written whole or not at all."""

import os

import numpy as np
import pytest
from synthseg_common.files import replacing, write_array, write_text
from synthseg_generator.errors import StoreError


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "notes.txt"
    write_text(path, "old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made_and_the_extension_is_kept(tmp_path):
    path = tmp_path / "a" / "b" / "volume.nii.gz"
    with replacing(path) as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"x")
    assert path.read_bytes() == b"x"


def test_an_array_comes_back(tmp_path):
    write_array(tmp_path / "array.npy", np.arange(3))
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy"), np.arange(3))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/notes\.txt cannot be written"):
        write_text(tmp_path / "file" / "notes.txt", "text")


def test_text_with_names_that_are_no_utf_8_keeps_their_bytes(tmp_path):
    write_text(tmp_path / "t", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "t").read_bytes() == b"caf\xe9"


def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path):
    path = tmp_path / f"{'x' * 248}.nii.gz"
    with replacing(path) as temporary:
        temporary.touch()
    assert path.exists()
