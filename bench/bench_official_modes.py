"""Each mode of SynthSeg 2.0 on one scan of 160³: wall time, processor time, memory.

The networks have the released shapes and random weights, which cost what trained ones do. Beside
them stand the figures of the original's code, recorded on two shared cores with one thread. The
cube of `--qc` has 224³ voxels whatever the scan, as there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from served import SHARED_DATA, WHOLE_HEAD, serving

from common import Usage, run_measured

CLIENT = Path(sys.executable).with_name("synthseg-client")
RECIPE = SHARED_DATA / "reference_2.0/models/make_weights.py"
WEIGHTS = "SYNTHSEG_MODELS"
# Mode: wall s, processor s, peak MB of the original.
MODES: Mapping[str, tuple[float, float, float]] = {
    "--fast": (115.6, 115.3, 2987),
    "plain": (240.3, 217.3, 3492),
    "--robust": (178.7, 173.1, 3224),
    "--parc": (373.1, 370.5, 6024),
    "--robust --parc --qc": (676.4, 401.9, 6963),
}
EDGE = "160"
TIMEOUT_S = 3600


def main() -> None:
    """Measures each mode with a server of its own, and prints a table."""
    if not WHOLE_HEAD.exists():
        print(f"no scan: {WHOLE_HEAD} is missing.")
        return
    print("### SynthSeg 2.0, one scan of 160³\n")
    print(
        "| mode | wall s (the original) | processor s, client and server (the original) "
        "| peak MiB, client, server (the original) |\n|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        models = _models(Path(folder))
        if models is None:
            print(f"no weights: set {WEIGHTS}.")
            return
        for mode, recorded in MODES.items():
            _measure(Path(folder), models, mode, recorded)


def _models(folder: Path) -> Path | None:
    """A folder of served models, of weights that are there or are made by their recipe."""
    weights = os.environ.get(WEIGHTS)
    if weights is None:
        if not RECIPE.exists():
            return None
        weights = str(folder / "weights")
        _run([RECIPE, "--out", weights])
    _run(["-m", "synthseg_serving", "import-weights", weights, folder / "models"])
    return folder / "models"


def _run(words: list[object]) -> None:
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)


def _measure(folder: Path, models: Path, mode: str, recorded: tuple[float, float, float]) -> None:
    words = [word for word in mode.split() if word not in ("plain", "--qc")]
    if "--qc" in mode:
        words += ["--qc", str(folder / "q.csv")]
    files = ["--i", WHOLE_HEAD, "--o", folder / "l.nii.gz", "--vol", folder / "v.csv"]
    config = ["--model-config-file", models / "models.config", "--on-demand"]
    with serving(folder, words=config) as server:
        command = [CLIENT, "segment", *files, *words, "--crop", EDGE, "--timeout", TIMEOUT_S]
        client: Usage = run_measured(
            [*map(str, command), "--server", server.address], None, TIMEOUT_S
        )
        wall, cpu, peak = recorded
        print(
            f"| {mode} | {client.wall_s:.1f} ({wall:.0f}) "
            f"| {client.cpu_s:.1f} + {server.cpu_s():.1f} ({cpu:.0f}) "
            f"| {client.peak_rss_mib:.0f}, {server.peak_mib():.0f} ({peak:.0f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
