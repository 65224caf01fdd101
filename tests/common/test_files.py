"""Files written whole or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest
from synthseg_common.errors import OutputError
from synthseg_common.files import FileGroup, replacing, write_array, write_text


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    write_text(path, "old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made_and_the_extension_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "volume.nii.gz"
    with replacing(path) as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"x")
    assert path.read_bytes() == b"x"


def test_an_array_comes_back(tmp_path: Path) -> None:
    write_array(tmp_path / "array.npy", np.arange(3))
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy"), np.arange(3))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/notes\.txt: cannot be written"):
        write_text(tmp_path / "file" / "notes.txt", "text")


def test_text_with_names_that_are_no_utf_8_keeps_their_bytes(tmp_path: Path) -> None:
    write_text(tmp_path / "t", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "t").read_bytes() == b"caf\xe9"


def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 248}.nii.gz"
    with replacing(path) as temporary:
        temporary.touch()
    assert path.exists()


def test_files_of_a_group_take_their_places_when_all_are_written(tmp_path: Path) -> None:
    with FileGroup() as group:
        write_text(tmp_path / "a", "new a", group)
        write_text(tmp_path / "b", "new b", group)
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_text() == "new a"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def write_together(**texts: str) -> None:
    """Writes files into the places, with a text each, or with none: then the block fails."""
    with FileGroup() as group:
        for path, text in texts.items():
            write_text(Path(path), text, group)
            if not text:
                raise RuntimeError


def test_a_group_whose_block_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("old a")
    with pytest.raises(RuntimeError):
        write_together(a="new a", b="")
    assert Path("a").read_text() == "old a"
    assert [p.name for p in Path().iterdir()] == ["a"]


def test_a_group_of_which_a_rename_fails_undoes_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("old a")
    Path("folder/inside").mkdir(parents=True)  # no file can take its place
    with pytest.raises(OutputError, match="folder: cannot be written"):
        write_together(a="new a", new="new", folder="text", after="text")
    assert Path("a").read_text() == "old a"
    assert sorted(p.name for p in Path().iterdir()) == ["a", "folder"]


def test_without_hard_links_a_failed_group_leaves_a_file_wherever_one_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.link", no_links)
    Path("a").write_text("old a")
    Path("folder/inside").mkdir(parents=True)
    with pytest.raises(OutputError, match="folder: cannot be written"):
        write_together(a="new a", new="new", folder="text")
    assert Path("a").read_text() == "new a"
    assert sorted(p.name for p in Path().iterdir()) == ["a", "folder"]
