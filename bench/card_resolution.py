"""Of the card: what thick slices cost, in each plane.

Every scan of 1 mm is made into slices of 3, 5 and 7 mm, as `thickened` says; the client resamples
them by itself, and its answer is compared with the truth at 1 mm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from answers import Answers, mean_dice
from card_scans import TRUTHS, CardScan, real_scans, slug, synthetic_scans, thick_name, thick_scans
from markdown_table import print_table
from overlaps import STRUCTURES, WITHOUT_CSF, mean_of
from synthseg_common.labels import SYNTHSEG_V2
from thickened import PLANES

SLICES_MM = (3, 5, 7)
SYNTHETIC = "synthetic"
USED = 3  # synthetic scans


def scans(folder: Path) -> list[CardScan]:
    """What has to be segmented."""
    fine = fine_scans(folder)
    return fine + thick_scans(folder, fine, SLICES_MM)


def fine_scans(folder: Path) -> list[CardScan]:
    """The scans of 1 mm."""
    return real_scans() + synthetic_scans(folder, "1 mm")[:USED]


def show(answers: Answers, folder: Path) -> None:
    """A table for each group of scans, a row for each thickness, planes beside each other."""
    groups = {kind: [slug(kind)] for kind in TRUTHS}
    groups[SYNTHETIC] = [scan.name for scan in synthetic_scans(folder, "1 mm")[:USED]]
    rows = [
        [title, f"{slice_mm:g} mm", *_cells(answers, names, slice_mm)]
        for title, names in groups.items()
        for slice_mm in (1, *SLICES_MM)
    ]
    note = (
        "Mean Dice over all structures / without CSF, which FreeSurfer understands otherwise / of "
        f"the structure that is worst then, CSF aside. Synthetic: {USED} scans."
    )
    print_table("Dice by thickness and plane of the slices", ["", "slices", *PLANES], rows, note)


def _cells(answers: Answers, names: list[str], slice_mm: float) -> list[str]:
    if slice_mm == 1:
        return [_cell(answers, names)] + [""] * (len(PLANES) - 1)
    return [
        _cell(answers, [thick_name(name, plane, slice_mm) for name in names]) for plane in PLANES
    ]


def _cell(answers: Answers, names: list[str]) -> str:
    scores = mean_dice(answers, names)
    worst = min(WITHOUT_CSF, key=lambda value: np.nan_to_num(scores[value], nan=1))
    name = SYNTHSEG_V2.names[SYNTHSEG_V2.values.index(worst)]
    means = f"{mean_of(scores, STRUCTURES):.3f} / {mean_of(scores, WITHOUT_CSF):.3f}"
    return f"{means} / {scores[worst]:.2f} {name}"
