from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from synthseg_client.storage.private_copies import PrivateFolder
from typed import there

HOLDER = """
import sys
from synthseg_client.storage.private_copies import PrivateFolder
folder = PrivateFolder()
(folder.path / "scan.nii").write_text("a patient")
print(folder.path, flush=True)
sys.stdin.read()
"""


def test_copies_of_a_killed_process_are_removed_by_the_next_and_those_of_a_living_one_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        left = Path(there(child.stdout).readline().strip())
        own = PrivateFolder()
        assert stat.S_IMODE(own.path.stat().st_mode) == 0o700
        assert (left / "scan.nii").exists()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        other = PrivateFolder()
        assert not left.exists()
        assert own.path.exists()
        own.remove()
        other.remove()
        assert list(tmp_path.iterdir()) == []
    finally:
        child.kill()
        child.communicate()
