"""How well the shipped model segments: the scores of its card, by the commands that users have.

Real T1 scans against FreeSurfer's segmentations; synthetic scans of the two label maps that were
kept out of training, at three resolutions; scans of one person in two contrasts against each
other, as they lie and after rigid alignment of the scans (with SimpleITK, where it is installed);
and how much the volumes of one person's scan change where it is shifted, turned, noisier or shaded.
Without the shared data there is nothing to score.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import alignment
import nibabel as nib
import numpy as np
import variations
import yaml
from served import SHARED_DATA
from synthseg_common.labels import SYNTHSEG_V2

HELD_OUT = ("training_seg_07", "training_seg_12")
SAMPLES, SEED = 6, 77
SPACINGS_MM = {"1 mm": (1, 1, 1), "3 mm": (1, 1, 3), "6 mm": (1, 1, 6)}
SCANS = SHARED_DATA / "scans"
TRUTHS = {
    "T1, stripped": ("t1_stripped_aseg/brain.mgz", "t1_stripped_aseg/aseg.mgz"),
    "T1, whole head": ("t1_wholehead_aseg/orig.mgz", "t1_wholehead_aseg/aparc+aseg.mgz"),
}
PEOPLE = {
    "stroke": {c: f"stroke/{c}.nii.gz" for c in ("T1", "T2", "FLAIR")},
    "MS, 3 mm slices": {
        c: f"clinical_ms/patient12_study1_{name}.nii.gz"
        for c, name in (("T1", "T1W"), ("T2", "T2W"), ("FLAIR", "FLAIR"))
    },
}
PAIRS = (("T1", "T2"), ("T1", "FLAIR"), ("T2", "FLAIR"))
AGAIN = {
    "T1, 1 mm": "stroke/T1.nii.gz",
    "T2, 1 mm": "stroke/T2.nii.gz",
    "T1, stripped": "t1_stripped_aseg/brain.mgz",
}
"""Scans that are segmented again in every variation."""
CSF = 24
# Dice by label value.
Scores = dict[int, float]


def main() -> None:
    """Segments all, scores all, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="Exported model; by default the shipped one.")
    parser.add_argument("--crop", help="As for `synthseg-client segment`.")
    arguments = parser.parse_args()
    if not SCANS.is_dir():
        print(f"nothing to score: {SCANS} is missing.")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs, truth, answers = (folder / part for part in ("in", "truth", "answers"))
        for made in (inputs, truth):
            made.mkdir()
        groups = {kind: [_slug(kind)] for kind in TRUTHS}
        for kind, (scan, labels) in TRUTHS.items():
            (inputs / f"{_slug(kind)}.mgz").symlink_to((SCANS / scan).resolve())
            (truth / f"{_slug(kind)}.mgz").symlink_to((SCANS / labels).resolve())
        for kind, spacing_mm in SPACINGS_MM.items():
            made_of = synthesise(folder, kind, spacing_mm, inputs, truth)
            groups[f"synthetic, {kind}"] = made_of
        for person, contrasts in PEOPLE.items():
            for contrast, scan in contrasts.items():
                link = inputs / f"{_slug(person)}-{contrast}.nii.gz"
                link.symlink_to((SCANS / scan).resolve())
        vary(inputs)
        command = ["synthseg-client", "segment", "--i", inputs, "--o", answers]
        command += ["--vol", folder / "volumes.csv"]
        command += [] if arguments.model is None else ["--model", arguments.model]
        command += [] if arguments.crop is None else ["--crop", arguments.crop]
        run(command)
        print_structures(evaluate(truth, answers, folder, "--merge-parcels", "--partial"), groups)
        print_contrasts(answers, folder)
        print_repeatability(folder / "volumes.csv")


def synthesise(
    folder: Path, kind: str, spacing_mm: Iterable[float], inputs: Path, truth: Path
) -> list[str]:
    """Makes synthetic scans of the held-out maps; returns their names."""
    store = folder / "labels.zarr"
    if not store.exists():
        run(["synthseg-generator", "ingest", SHARED_DATA / "label_maps", store])
    names = [p.name.removesuffix(".nii.gz") for p in (SHARED_DATA / "label_maps").glob("*.nii.gz")]
    settings = folder / "settings.yaml"
    content = {
        "crop": {"shape": [160, 192, 160], "placement": "centred", "jitter": 0},
        "map_weights": {name: int(name in HELD_OUT) for name in names},
        "acquisition": {"fixed_spacing_mm": [list(spacing_mm)]},
    }
    settings.write_text(yaml.safe_dump(content))
    made = folder / f"synthetic-{_slug(kind)}"
    options = ["--samples", SAMPLES, "--seed", SEED, "--settings", settings]
    run(["synthseg-generator", "generate", store, made, *options])
    found = []
    for k in range(SAMPLES):
        name = f"synthetic-{_slug(kind)}-{k}"
        (inputs / f"{name}.nii.gz").symlink_to(made / f"sample-{k:05d}_image.nii.gz")
        (truth / f"{name}.nii.gz").symlink_to(made / f"sample-{k:05d}_labels.nii.gz")
        found.append(name)
    return found


def evaluate(truth: Path, answers: Path, folder: Path, *options: str) -> dict[str, Scores]:
    """Dice by name of the scan."""
    table = folder / "dice.csv"
    run(["synthseg-trainer", "evaluate", truth, answers, "--o", table, "--labels", "v2", *options])
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["subject"]: {int(k): float(v) for k, v in row.items() if k.isdigit() and v}
        for row in rows
    }


def print_structures(scores: dict[str, Scores], groups: dict[str, list[str]]) -> None:
    """The mean over structures, then structure by structure with both sides together."""
    columns = [_mean(scores, names) for names in groups.values()]
    print("### Dice of the shipped model\n")
    print(f"| | {' | '.join(groups)} |\n|---|{'---|' * len(groups)}")
    rows: dict[str, list[int]] = {"mean": list(SYNTHSEG_V2.values[1:])}
    rows["mean without CSF"] = [value for value in rows["mean"] if value != CSF]
    for name, value in zip(SYNTHSEG_V2.names[1:], SYNTHSEG_V2.values[1:], strict=True):
        rows.setdefault(_sideless(name), []).append(value)
    for title, values in rows.items():
        cells = [_mean_of(column, values) for column in columns]
        print(f"| {title} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")


def _mean(scores: dict[str, Scores], names: list[str]) -> Scores:
    values = {value for name in names for value in scores[name]}
    return {v: float(np.mean([scores[n][v] for n in names if v in scores[n]])) for v in values}


def _mean_of(scores: Scores, values: Iterable[int]) -> float:
    """Over what is in one map or the other; not a number where nothing is."""
    present = [scores[value] for value in values if value in scores]
    return float(np.mean(present)) if present else float("nan")


def print_contrasts(answers: Path, folder: Path) -> None:
    """One person's scans against each other."""
    print("\n### Mean Dice between contrasts of one person\n")
    print("| person | pair | as they lie | aligned | moved by mm | known to mm |")
    print("|---|---|---|---|---|---|")
    if not alignment.AVAILABLE:
        print("(SimpleITK is not installed: pip install '.[bench]')", file=sys.stderr)
    for person, contrasts in PEOPLE.items():
        for first, second in PAIRS:
            labels = [
                nib.load(answers / f"{_slug(person)}-{c}_synthseg.nii.gz") for c in (first, second)
            ]
            cells = [between(*labels, np.eye(4), folder)]
            moved = known = float("nan")
            if alignment.AVAILABLE:
                scans = [SCANS / contrasts[c] for c in (first, second)]
                place, doubt = alignment.register(*scans)
                cells.append(between(*labels, place, folder))
                moved, known = _distance(labels[0], place), _distance(labels[0], doubt) / 2
            shown = [f"{cell:.3f}" for cell in cells] + ["-"] * (2 - len(cells))
            shown += [f"{moved:.1f}", f"{known:.1f}"]
            print(f"| {person} | {first}, {second} | {' | '.join(shown)} |")


def vary(inputs: Path) -> None:
    """Makes the variations of the scans of `AGAIN`."""
    for kind, scan in AGAIN.items():
        original = nib.as_closest_canonical(nib.load(SCANS / scan))
        for number, name in enumerate(variations.VARIATIONS):
            nib.save(variations.varied(original, name), inputs / f"{_again(kind, number)}.nii.gz")


def print_repeatability(volumes: Path) -> None:
    """Spread of each structure's volume over the variations of a scan, in percent of its mean."""
    with volumes.open(newline="") as file:
        rows = {row["subject"]: row for row in csv.DictReader(file)}
    count = len(variations.VARIATIONS)
    print("\n### Coefficient of variation of the volumes, %\n")
    print(f"Of one scan {', '.join(variations.VARIATIONS)}; both sides of a structure together.\n")
    print(f"| | {' | '.join(AGAIN)} |\n|---|{'---|' * len(AGAIN)}")
    spreads = {
        kind: _spreads([rows[_again(kind, number)] for number in range(count)]) for kind in AGAIN
    }
    structures = list(dict.fromkeys(map(_sideless, SYNTHSEG_V2.names[1:])))
    for title in structures:
        print(f"| {title} | {' | '.join(f'{spreads[kind][title]:.1f}' for kind in AGAIN)} |")
    means = [np.nanmean([spreads[kind][title] for title in structures]) for kind in AGAIN]
    print(f"| mean | {' | '.join(f'{mean:.1f}' for mean in means)} |")


def _spreads(rows: list[dict[str, str]]) -> dict[str, float]:
    """The coefficient of variation by structure, in percent."""
    found: dict[str, list[float]] = {}
    for name in SYNTHSEG_V2.names[1:]:
        sizes = np.array([float(row[name]) for row in rows])
        spread = 100 * sizes.std(ddof=1) / sizes.mean() if sizes.any() else float("nan")
        found.setdefault(_sideless(name), []).append(spread)
    return {title: float(np.nanmean(spreads)) for title, spreads in found.items()}


def _sideless(name: str) -> str:
    return name.removeprefix("left ").removeprefix("right ")


def _again(kind: str, number: int) -> str:
    return f"again-{_slug(kind)}-{number}"


def between(
    fixed: nib.Nifti1Image, moving: nib.Nifti1Image, place: np.ndarray, folder: Path
) -> float:
    """Mean Dice of two label maps, the second put where `place` says that the first lies in it."""
    first, second = folder / "first.nii.gz", folder / "second.nii.gz"
    moved = nib.Nifti1Image(np.asarray(moving.dataobj), np.linalg.inv(place) @ moving.affine)
    nib.save(fixed, first)
    nib.save(moved, second)
    (scores,) = evaluate(first, second, folder).values()
    return _mean_of(scores, SYNTHSEG_V2.values[1:])


def _distance(labels: nib.Nifti1Image, place: np.ndarray) -> float:
    """How far the middle of the segmented brain moves."""
    middle = np.argwhere(np.asarray(labels.dataobj) > 0).mean(0)
    point = nib.affines.apply_affine(labels.affine, middle)
    return float(np.linalg.norm(nib.affines.apply_affine(place, point) - point))


def run(command: list[object]) -> None:
    """Runs a command of the project; its output is shown where it fails."""
    program, *arguments = map(str, command)
    path = Path(sys.executable).with_name(program)
    done = subprocess.run(
        [path, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if done.returncode:
        raise SystemExit(f"{program} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")


def _slug(title: str) -> str:
    return title.replace(", ", "-").replace(" ", "-")


if __name__ == "__main__":
    main()
