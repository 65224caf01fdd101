"""One whole-head T1 from file to label map: wall time and its split, processor time, memory.

The scan has 256³ voxels of 1 mm, of which `--crop 192` goes to the network, as the original was
measured: 228 s, 329 s of processor time, 8.9 GB on two cores under load. Two networks: the
original's with random weights and mirrored averaging, and the shipped one. `--posteriors` also
fetches every channel of all 256³ voxels (`--crop none --post`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from served import ORIGINAL_WEIGHTS, WHOLE_HEAD, original_model, serving, sidecar_of

from common import run_measured

CLIENT = Path(sys.executable).with_name("synthseg-client")
ORIGINAL = (228.0, 329.0, 8900.0)
STEPS = ("read", "prepare", "server", "cleanup", "write")
TIMEOUT_S = 3600


def main() -> None:
    """Measures each network with a server of its own, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posteriors", action="store_true")
    arguments = parser.parse_args()
    if not WHOLE_HEAD.exists():
        print(f"no scan: {WHOLE_HEAD} is missing.")
        return
    print("### One whole-head T1, 192³ to the network\n")
    print(
        "| network | wall s | client: read, resample, request, clean-up, write s | server s "
        "| client CPU s, MiB | server CPU s, MiB |\n|---|---|---|---|---|---|"
    )
    wall, cpu, mib = ORIGINAL
    print(f"| the original's code, recorded | {wall:.0f} | | | | {cpu:.0f}, {mib:.0f} |")
    with tempfile.TemporaryDirectory() as folder:
        if ORIGINAL_WEIGHTS.exists():
            model = original_model(Path(folder))
            measure(Path(folder), "the original's, 13.2 million parameters", model)
            if arguments.posteriors:
                words = ["--crop", "none", "--post", Path(folder) / "post.nii"]
                measure(Path(folder), "the same, all posteriors of 256³", model, words)
        measure(Path(folder), "the shipped one", None)


def measure(folder: Path, name: str, model: Path | None, words: list[object] | None = None) -> None:
    """One run of the client against a fresh server; prints a row."""
    labels = folder / "labels.nii.gz"
    command = [CLIENT, "segment", "--i", WHOLE_HEAD, "--o", labels, "--vol", folder / "v.csv"]
    with serving(folder, model) as server:
        before = server.cpu_s()
        command += [*(words or ["--crop", "192"]), "--server", server.address]
        client = run_measured([*map(str, command), "--timeout", str(TIMEOUT_S)], None, TIMEOUT_S)
        cpu, mib, runs = server.cpu_s() - before, server.peak_mib(), server.runs()
    computed = sum((end - start).total_seconds() for start, end in runs)
    split = dict(sidecar_of(labels)["seconds"])
    split["server"] -= computed
    # The sidecar is written before the label map: what is left of the wall time is start and write.
    parts = ", ".join(f"{split[step]:.1f}" for step in STEPS if step in split)
    rest = client.wall_s - sum(split.values()) - computed
    print(
        f"| {name} | {client.wall_s:.1f} | {parts}, {rest:.1f} (with start) | {computed:.1f} "
        f"| {client.cpu_s:.1f}, {client.peak_rss_mib:.0f} | {cpu:.1f}, {mib:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
