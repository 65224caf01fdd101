"""The shipped model beside brainchop's, on the two T1 scans that FreeSurfer has segmented.

Give it folders of brainchop's models with 18 classes, each with `model.json`, its weights and
`colormap.json`, as arguments or in $SYNTHSEG_BRAINCHOP with colons between them. They lie under
public/models/ of https://github.com/neuroneural/brainchop (MIT) and are no part of this project;
without them there is nothing to compare.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import meshnet
import nibabel as nib
import numpy as np
from answers import segment_all
from card_scans import CardScan, real_scans
from markdown_table import print_table
from overlaps import Dice, dice, mean_of, read_labels, sideless
from served import SHARED_DATA
from synthseg_client.embedded import LocalServer
from synthseg_client.options import Options
from synthseg_common.labels import SYNTHSEG_V2

VARIABLE = "SYNTHSEG_BRAINCHOP"
OURS = "shipped model"
VALUES = {
    "Cerebral-White-Matter": 2,
    "Cerebral-Cortex": 3,
    "Lateral-Ventricle": 4,
    "Inferior-Lateral-Ventricle": 5,
    "Cerebellum-White-Matter": 7,
    "Cerebellum-Cortex": 8,
    "Thalamus": 10,
    "Caudate": 11,
    "Putamen": 12,
    "Pallidum": 13,
    "3rd-Ventricle": 14,
    "4th-Ventricle": 15,
    "Brain-Stem": 16,
    "Hippocampus": 17,
    "Amygdala": 18,
    "Accumbens-area": 26,
    "VentralDC": 28,
}
"""FreeSurfer's value, the left one where there are two, by brainchop's name."""


def main(folders: list[Path]) -> None:
    """Scores all by the same seventeen structures, sides merged."""
    missing = [folder for folder in folders if not (folder / meshnet.MODEL).is_file()]
    if missing or not folders or not SHARED_DATA.is_dir():
        print(f"nothing to compare: name folders of brainchop's models in ${VARIABLE}.")
        for folder in missing:
            print(f"{folder} has no {meshnet.MODEL}.", file=sys.stderr)
        return
    scans = real_scans()
    scores = {(OURS, scan.name): found for scan, found in _ours(scans)}
    for folder in folders:
        layers, names = meshnet.read_layers(folder), meshnet.read_names(folder)
        for scan in scans:
            started = time.perf_counter()
            answer = _brainchop(scan, layers, names)
            print(f"{folder.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
            scores[folder.name, scan.name] = _score(scan, answer)
    _show(scores)


def _ours(scans: list[CardScan]) -> list[tuple[CardScan, Dice]]:
    with tempfile.TemporaryDirectory() as name:
        answers = segment_all(scans, Path(name) / "answers", LocalServer(cpu=True), Options())
        return [(scan, _score(scan, nib.load(answers[scan.name].labels))) for scan in scans]


def _brainchop(scan: CardScan, layers: list[meshnet.Layer], names: list[str]) -> nib.Nifti1Image:
    image = nib.load(scan.path)
    axes = "".join(nib.aff2axcodes(image.affine))
    if axes != "LIA":
        raise SystemExit(f"{scan.path}: expected a conformed scan, axes LIA, got {axes}.")
    classes = meshnet.segment(np.asarray(image.dataobj), layers)
    values = np.array([VALUES.get(name, 0) for name in names], np.int16)
    return read_labels(nib.Nifti1Image(values[classes], image.affine))


def _score(scan: CardScan, answer: nib.Nifti1Image) -> Dice:
    truth = read_labels(nib.load(scan.truth))
    return dice(_left_only(truth), _left_only(answer))


def _left_only(labels: nib.Nifti1Image) -> nib.Nifti1Image:
    """Right structures under the values of the left ones; other labels are gone."""
    values = np.asarray(labels.dataobj)
    merged = np.zeros_like(values)
    for channel, other in enumerate(SYNTHSEG_V2.flip_channels):
        value, mirrored = SYNTHSEG_V2.values[channel], SYNTHSEG_V2.values[other]
        merged[values == value] = min(value, mirrored)
    return nib.Nifti1Image(merged, labels.affine)


def _show(scores: dict[tuple[str, str], Dice]) -> None:
    titles = dict(zip(SYNTHSEG_V2.values, map(sideless, SYNTHSEG_V2.names), strict=True))
    groups = {"mean": list(VALUES.values())}
    groups |= {titles[value]: [value] for value in VALUES.values()}
    rows = [
        [title, *(f"{mean_of(found, values):.3f}" for found in scores.values())]
        for title, values in groups.items()
    ]
    note = (
        "Dice against FreeSurfer, sides merged as brainchop's 18-class networks do. Those are "
        "made for T1 scans; ours has seen synthetic scans alone, of any contrast."
    )
    head = ["", *(f"{scan}: {model}" for model, scan in scores)]
    print_table("Beside brainchop", head, rows, note)


if __name__ == "__main__":
    words = sys.argv[1:] or os.environ.get(VARIABLE, "").split(":")
    main([Path(word) for word in words if word])
