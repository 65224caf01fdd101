"""Of the card: two contrasts of one person against each other, as a whole and by structure.

No masks of the lesions exist for these people. What a lesion does shows where one side agrees less
than the other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import alignment
import nibabel as nib
import numpy as np
from answers import Answers
from card_scans import PEOPLE, CardScan, person_scan
from markdown_table import print_table
from overlaps import Dice, by_structure, dice, mean_of, placed

PAIRS = (("T1", "T2"), ("T1", "FLAIR"), ("T2", "FLAIR"))


def scans(folder: Path) -> list[CardScan]:
    """What has to be segmented."""
    return [
        person_scan(person, contrast)
        for person, contrasts in PEOPLE.items()
        for contrast in contrasts
    ]


def show(answers: Answers, folder: Path) -> None:
    """One row for each pair, then one for each structure."""
    if not alignment.AVAILABLE:
        print("(SimpleITK is not installed: pip install '.[bench]')", file=sys.stderr)
    best: dict[str, list[Dice]] = {person: [] for person in PEOPLE}
    rows = []
    for person in PEOPLE:
        for pair in PAIRS:
            cells, scores = _compare(answers, person, pair)
            rows.append([person, ", ".join(pair), *cells])
            best[person].append(scores)
    head = ["person", "pair", "as they lie", "aligned", "moved by mm", "known to mm"]
    print_table("Mean Dice between contrasts of one person", head, rows)
    _show_structures(best)


def _compare(answers: Answers, person: str, pair: tuple[str, str]) -> tuple[list[str], Dice]:
    """A row's cells, and Dice by structure after alignment where it can be done."""
    labels = [nib.load(answers[person_scan(person, contrast).name].labels) for contrast in pair]
    scores = between(*labels, np.eye(4))
    cells = [f"{mean_of(scores):.3f}"]
    if not alignment.AVAILABLE:
        return [*cells, "-", "-", "-"], scores
    place, doubt = alignment.register(*(person_scan(person, contrast).path for contrast in pair))
    scores = between(*labels, place)
    moved, known = _distance(labels[0], place), _distance(labels[0], doubt) / 2
    return [*cells, f"{mean_of(scores):.3f}", f"{moved:.1f}", f"{known:.1f}"], scores


def _show_structures(best: dict[str, list[Dice]]) -> None:
    """Worst first, left and right apart."""
    titles = [f"{person}, {side}" for person in best for side in ("left", "right")]
    table = {
        title: [
            float(np.nanmean([scores[values[side % len(values)]] for scores in best[person]]))
            for person in best
            for side in range(2)
        ]
        for title, values in by_structure().items()
    }
    rows = [
        [title, *(f"{cell:.2f}" for cell in cells)]
        for title, cells in sorted(table.items(), key=lambda item: np.mean(item[1]))
    ]
    note = "Mean of the three pairs after alignment, worst first; no masks of lesions exist."
    print_table("Dice between contrasts by structure", ["", *titles], rows, note)


def between(fixed: nib.Nifti1Image, moving: nib.Nifti1Image, place: np.ndarray) -> Dice:
    """Dice of two label maps, the second put where `place` says that the first lies in it."""
    return dice(placed(moving, place), fixed)


def _distance(labels: nib.Nifti1Image, place: np.ndarray) -> float:
    """How far the middle of the segmented brain moves."""
    middle = np.argwhere(np.asarray(labels.dataobj) > 0).mean(0)
    point = nib.affines.apply_affine(labels.affine, middle)
    return float(np.linalg.norm(nib.affines.apply_affine(place, point) - point))
