"""The words of `docker run`, and what is started with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).resolve().parents[2] / "containers" / "synthseg-entrypoint"
PROGRAMS = ("synthseg-client", "synthseg-serving", "mri_synthseg")


@pytest.mark.parametrize(
    ("words", "started"),
    [
        ("--i a b --o c", "synthseg-client segment --i a b --o c"),
        ("segment --i a", "synthseg-client segment --i a"),
        ("--version", "synthseg-client --version"),
        ("mri_synthseg --i a", "mri_synthseg --i a"),
        ("synthseg-serving serve", "synthseg-serving serve"),
        ("", "synthseg-client"),
    ],
)
def test_flags_alone_are_the_original_s_call(tmp_path: Path, words: str, started: str) -> None:
    for name in PROGRAMS:
        (tmp_path / name).write_text('#!/bin/sh\necho "${0##*/}" "$@"\n')
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [ENTRYPOINT, *words.split()],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == started
