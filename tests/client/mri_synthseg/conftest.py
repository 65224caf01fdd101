"""What tests of `mri_synthseg` share: a folder for kept servers, which end with the test."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.fixture
def kept_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where kept servers of the test lie; its path is short, as those of sockets have to be."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="kept-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        folder = Path(runtime) / "synthseg"
        yield folder
        for file in folder.glob("*.pid"):
            with suppress(OSError):
                os.kill(int(file.read_text()), signal.SIGKILL)


@pytest.fixture(autouse=True)
def _no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FREESURFER_HOME", "SYNTHSEG_MODELS", "SYNTHSEG_SERVER", "SYNTHSEG_KEEP_SERVER"):
        monkeypatch.delenv(name, raising=False)
