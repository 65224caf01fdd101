"""Of the card: what thick slices cost, in each plane.

Every scan of 1 mm is made into slices of 3, 5 and 7 mm, as `thickened` says; the client resamples
them by itself, and its answer is compared with the truth at 1 mm.
"""

from __future__ import annotations

from pathlib import Path

from answers import Answers, mean_dice
from card_scans import TRUTHS, CardScan, real_scans, slug, synthetic_scans, thick_name, thick_scans
from markdown_table import print_table
from overlaps import STRUCTURES, WITHOUT_CSF, mean_of
from thickened import PLANES

SLICES_MM = (3, 5, 7)
SYNTHETIC = "synthetic"
USED = 2  # synthetic scans: the first is of one held-out map, the second of the other
SMALLEST = (5, 44)
"""Inferior lateral ventricles: what FreeSurfer finds least of in both T1 scans."""


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
        "the smallest structure, the inferior lateral ventricles. Synthetic: one scan of each "
        "held-out map."
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
    groups = (STRUCTURES, WITHOUT_CSF, SMALLEST)
    return " / ".join(f"{mean_of(scores, values):.2f}" for values in groups)
