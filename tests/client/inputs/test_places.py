from __future__ import annotations

import os
from pathlib import Path

from synthseg_client.inputs.places import is_file, is_folder, is_there, real


def test_a_name_too_long_is_nothing_and_no_error() -> None:
    path = Path("x" * 5000)
    assert [is_there(path), is_file(path), is_folder(path)] == [False] * 3


def test_links_are_followed_as_far_as_they_lead(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "circle").symlink_to("circle")
    assert is_file(tmp_path / "link")
    assert real(tmp_path / "link") == Path(os.path.realpath(tmp_path)) / "file"
    assert real(tmp_path / "circle").name == "circle"
    assert not is_there(tmp_path / "circle")
