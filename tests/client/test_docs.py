from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_examples_of_the_python_library_do_what_they_say(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_scan: Callable[..., Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_scan(tmp_path / "scan.nii.gz")
    failures, tried = doctest.testfile(
        str(DOCS / "how-to" / "python.md"), module_relative=False, globs={"address": address}
    )
    assert tried > 15
    assert not failures
