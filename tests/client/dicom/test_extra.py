from __future__ import annotations

import pytest
from synthseg_client.dicom import extra
from synthseg_client.errors import UsageError


def test_what_is_installed_is_not_refused() -> None:
    extra.require_dicom("study")


def test_a_missing_library_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "highdicom" else name)
    with pytest.raises(UsageError, match=r"study: .*highdicom: pip install .*\[dicom\]"):
        extra.require_dicom("study")
