from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from typed import there

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_documented_caller_needs_nothing_but_the_messages(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "scan.nii.gz", affine=np.diag([1.0, 1, 1, 1]))
    shutil.copy(REPOSITORY / "docs/how-to/raw_client.py", tmp_path)
    # What protoc makes of messages.proto stands beside it.
    shutil.copy(REPOSITORY / "client/synthseg_client/messages_pb2.py", tmp_path)
    command = [sys.executable, "raw_client.py", address, str(scan)]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "no_proxy": "localhost"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    words = (line.split() for line in run.stdout.splitlines())
    counts = {int(value): int(count) for value, count in words}
    assert set(counts) <= {0, 2, 24, 41}
    assert sum(counts.values()) == 30 * 32 * 20
    assert counts[41] == 10 * 12 * 8


def test_the_documented_recipe_writes_the_messages_where_the_script_looks() -> None:
    recipe = (REPOSITORY / "docs/how-to/raw_client.py").read_text().split('"""')[1]
    written = there(re.search(r"protoc -I (\S+) --python_out=(\S+) (\S+)", recipe))
    script = there(re.search(r"python (\S+\.py) ", recipe))[1]
    assert (REPOSITORY / written[1] / written[3]).is_file()
    assert REPOSITORY / written[2] == (REPOSITORY / script).parent
