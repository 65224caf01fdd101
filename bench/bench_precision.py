"""What fewer bits change in the labels: the shipped model on real scans, in a GPU's arithmetic.

A GPU multiplies in its tensor cores: operands have fewer bits, sums have float32. That arithmetic
is repeated here in the exported graph, on any processor: operands of every convolution are rounded,
the products are summed in float32, and in half precision the result is rounded again, as a tensor
of that type holds it. So this shows what becomes of the labels, not how fast a GPU is. TF32 is what
TensorFlow takes on GPUs of 2020 and later (Ampere) unless told otherwise; without oneDNN the same
float32 numbers are summed in another order, which is the floor of all such differences.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from bench_shipped_model import SCANS, run
from synthseg_common.labels import SYNTHSEG_V2

WAYS = ("float32", "no oneDNN", "tf32", "float16", "bfloat16")
CT = "ct_template"
TF32_DROPPED_BITS = 13


def main() -> None:
    """Segments every scan in every way, and prints how the labels differ from float32's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--export", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=Path, help="Folder for models and label maps.")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    arguments = parser.parse_args()
    if arguments.export:
        export(arguments.export[0], Path(arguments.export[1]))
        return
    if not SCANS.is_dir():
        print(f"nothing to segment: {SCANS} is missing.")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        inputs = collect(folder / "in")
        for way in arguments.ways:
            segment(way, inputs, folder)
        found = {way: compare(folder, way) for way in arguments.ways if way != WAYS[0]}
        print_scans(found)
        print_structures(found)


def collect(inputs: Path) -> Path:
    """Links to the scans, each under a name of its own."""
    inputs.mkdir(parents=True, exist_ok=True)
    for scan in sorted(SCANS.resolve().glob("*/*")):
        if "aseg" not in scan.name and scan.suffix in (".gz", ".mgz"):
            ending = ".nii.gz" if scan.suffix == ".gz" else ".mgz"
            link = inputs / f"{scan.parent.name}-{scan.name.removesuffix(ending)}{ending}"
            if not link.is_symlink():
                link.symlink_to(scan)
    return inputs


def segment(way: str, inputs: Path, folder: Path) -> None:
    """Label maps of all scans in `folder/WAY`, made by a model of that arithmetic."""
    model, answers = folder / f"model-{way.replace(' ', '-')}", folder / way.replace(" ", "-")
    if not model.exists():
        command = [sys.executable, __file__, "--export", way, model]
        subprocess.run([*map(str, command)], check=True)
    # The client starts a server of its own, which takes these variables over.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0" if way == "no oneDNN" else "1"
    common = ["synthseg-client", "segment", "--i", inputs, "--o", answers, "--model", model]
    with suppress(SystemExit):  # of scans in which nothing was found; the tables say so
        run([*common, "--resume"])


def export(way: str, folder: Path) -> None:
    """Exports the shipped model with convolutions of this arithmetic."""
    import tensorflow as tf
    from synthseg_serving.export import export_bundle
    from synthseg_serving.shipped import WEIGHTS
    from synthseg_serving.sources import read_source

    operand, result = roundings(way)
    conv3d, matmul = tf.nn.conv3d, tf.linalg.matmul

    def rounded_conv3d(volume: Any, kernel: Any, *more: Any, **named: Any) -> Any:
        return result(
            conv3d(operand(volume), operand(tf.convert_to_tensor(kernel)), *more, **named)
        )

    def rounded_matmul(left: Any, right: Any, **named: Any) -> Any:
        return result(matmul(operand(left), operand(tf.convert_to_tensor(right)), **named))

    tf.nn.conv3d, tf.linalg.matmul = rounded_conv3d, rounded_matmul
    export_bundle(read_source(WEIGHTS), folder, version=1)


def roundings(way: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """How operands of a convolution are rounded, and its result."""
    import tensorflow as tf

    def to_half(value: Any) -> Any:
        return tf.cast(tf.cast(value, tf.as_dtype(way)), tf.float32)

    def to_tf32(value: Any) -> Any:
        bits = tf.bitcast(value, tf.int32) + (1 << (TF32_DROPPED_BITS - 1))
        return tf.bitcast(tf.bitwise.bitwise_and(bits, -(1 << TF32_DROPPED_BITS)), tf.float32)

    if way in ("float16", "bfloat16"):
        return to_half, to_half
    return (to_tf32 if way == "tf32" else tf.identity), tf.identity


def compare(folder: Path, way: str) -> dict[str, tuple[float, dict[int, tuple[float, float]]]]:
    """By scan: share of labelled voxels that changed; by label Dice and change of volume."""
    found = {}
    for path in sorted((folder / WAYS[0]).glob("*_synthseg.[nm]*")):
        before = np.asarray(nib.load(path).dataobj)
        answer = folder / way.replace(" ", "-") / path.name
        after = np.asarray(nib.load(answer).dataobj) if answer.exists() else 0 * before
        either = (before > 0) | (after > 0)
        changed = float(np.mean(before[either] != after[either]))
        found[path.name.split("_synthseg")[0]] = changed, _by_label(before, after)
    return found


def _by_label(before: np.ndarray, after: np.ndarray) -> dict[int, tuple[float, float]]:
    scores = {}
    for value in map(int, SYNTHSEG_V2.values[1:]):
        first, second = before == value, after == value
        sizes = int(first.sum()), int(second.sum())
        if sum(sizes):
            dice = 2 * int((first & second).sum()) / sum(sizes)
            scores[value] = dice, (sizes[1] - sizes[0]) / max(sizes[0], 1)
    return scores


def print_scans(found: dict[str, Any]) -> None:
    """How much of each scan changed."""
    print("### Labels of the shipped model in other arithmetic, against float32\n")
    print("Voxels that changed, of those with a label, and the least Dice of a structure.\n")
    print(f"| scan | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for scan in next(iter(found.values())):
        cells = []
        for way in found:
            changed, scores = found[way][scan]
            least = min(scores, key=lambda value: scores[value][0])
            name = dict(zip(SYNTHSEG_V2.values, SYNTHSEG_V2.names, strict=True))[least]
            cells.append(f"{changed:.3%}, {scores[least][0]:.4f} ({name})")
        print(f"| {scan} | {' | '.join(cells)} |")


def print_structures(found: dict[str, Any]) -> None:
    """Mean and least Dice of each structure over the scans, and the largest change of a volume."""
    print("\nBy structure: mean Dice, least Dice, largest change of the volume (without the CT).\n")
    print(f"| | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for value, name in zip(SYNTHSEG_V2.values[1:], SYNTHSEG_V2.names[1:], strict=True):
        cells = []
        for by_scan in found.values():
            rows = [s[value] for scan, (_, s) in by_scan.items() if value in s and CT not in scan]
            dice, change = (np.array([row[i] for row in rows]) for i in (0, 1))
            cells.append(f"{dice.mean():.4f}, {dice.min():.4f}, {np.abs(change).max():.2%}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
