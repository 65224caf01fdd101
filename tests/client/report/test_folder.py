from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from synthseg_client import OutputError, UsageError
from synthseg_client.report.folder import FIRST_PAGE, MARK, refuse_other_folder, report_folder


def write_page(folder: Path, text: bytes = MARK) -> None:
    (folder / FIRST_PAGE).write_bytes(b"<meta " + text)


def test_a_report_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    for _ in range(2):
        with report_folder(tmp_path / "a/report") as folder:
            write_page(folder)
            assert (folder / "pictures").is_dir()
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["report"]


def test_what_fails_leaves_the_earlier_report_and_no_trace(tmp_path: Path) -> None:
    with report_folder(tmp_path / "report") as folder:
        write_page(folder, MARK + b"first")
    with contextlib.suppress(RuntimeError), report_folder(tmp_path / "report") as folder:
        write_page(folder, MARK + b"second")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["report"]
    assert (tmp_path / "report" / FIRST_PAGE).read_bytes().endswith(b"first")


def test_other_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>my thesis</title>")
    with pytest.raises(UsageError, match="holds other files"):
        refuse_other_folder(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        refuse_other_folder(tmp_path / "index.html")
    with pytest.raises(UsageError), report_folder(tmp_path):
        pass
    assert len(list(tmp_path.iterdir())) == 1


def test_an_empty_or_missing_folder_may_be_filled(tmp_path: Path) -> None:
    refuse_other_folder(tmp_path)
    refuse_other_folder(tmp_path / "new")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), report_folder(tmp_path / "file/x"):
        pass
