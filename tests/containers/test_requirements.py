from __future__ import annotations

import pytest

from containers import requirements

PROJECT = {
    "name": "own",
    "dependencies": ["base>=1"],
    "optional-dependencies": {"a": ["own[b]", "x"], "b": ["y; python_version > '3'", "own[a]"]},
}


def test_extras_that_name_extras_are_followed() -> None:
    assert requirements.requirements_of(PROJECT, []) == ["base>=1"]
    expected = ["base>=1", "x", "y; python_version > '3'"]
    assert requirements.requirements_of(PROJECT, ["b"]) == expected


def test_an_unknown_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert requirements.main(["servings"]) == 2
    assert "no extra servings; there are generator, trainer," in capsys.readouterr().err
    assert requirements.main(["--every"]) == 0
    assert "nibabel>=5.2" in capsys.readouterr().out.splitlines()
