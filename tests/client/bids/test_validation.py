from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.bids import validation


def _stand_in(folder: Path, script: str) -> str:
    """A command of the validator's name, for what it says that a real one rarely does."""
    command = folder / "validator"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return str(command)


def test_nothing_is_said_where_it_is_missing_or_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "find_validator", lambda: None)
    assert validation.validate(tmp_path) is None
    command = _stand_in(tmp_path, "echo no JSON; exit 3")
    monkeypatch.setattr(validation, "find_validator", lambda: command)
    assert validation.validate(tmp_path) is None


@pytest.mark.skipif(validation.find_validator() is None, reason="bids-validator-deno is missing")
def test_errors_are_counted_by_kind(tmp_path: Path) -> None:
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    for name in ("sub-01_T1w.nii.gz", "sub-01_T2w.nii.gz"):
        (tmp_path / "sub-01/anat").mkdir(parents=True, exist_ok=True)
        (tmp_path / "sub-01/anat" / name).touch()
    verdict = validation.validate(tmp_path)
    assert verdict is not None
    assert verdict.errors["EMPTY_FILE"] == 2
    assert verdict.schema
