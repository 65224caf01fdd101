"""Of the card: how much the volumes of one person's scan change where it is taken again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import variations
from answers import Answers
from card_scans import CardScan, person_scan, real_scans, slug
from markdown_table import print_table
from overlaps import by_structure, sideless
from synthseg_common.labels import SYNTHSEG_V2

AGAIN = {
    "T1, 1 mm": person_scan("stroke", "T1"),
    "T2, 1 mm": person_scan("stroke", "T2"),
    "T1, stripped": real_scans()[0],
}
"""Scans that are segmented again in every variation; other tables show them as they are."""


def scans(folder: Path) -> list[CardScan]:
    """What has to be segmented."""
    found = []
    for kind, scan in AGAIN.items():
        original = nib.as_closest_canonical(nib.load(scan.path))
        found.append(scan)
        for number, name in list(enumerate(variations.VARIATIONS))[1:]:
            path = folder / f"{again(kind, number)}.nii"
            if not path.exists():
                nib.save(variations.varied(original, name), path)
            found.append(CardScan(again(kind, number), path))
    return found


def again(kind: str, number: int) -> str:
    """What a variation is called; the first is the scan as it is."""
    return f"again-{slug(kind)}-{number}" if number else AGAIN[kind].name


def show(answers: Answers, folder: Path) -> None:
    """Spread of each structure's volume over the variations of a scan, in percent of its mean."""
    spreads = {
        kind: spread_percent(
            [answers[again(kind, k)].volumes_mm3 for k in range(len(variations.VARIATIONS))]
        )
        for kind in AGAIN
    }
    rows = [[title, *(f"{spreads[kind][title]:.1f}" for kind in AGAIN)] for title in by_structure()]
    means = [np.nanmean(list(spreads[kind].values())) for kind in AGAIN]
    rows.append(["mean", *(f"{mean:.1f}" for mean in means)])
    note = f"Of one scan {', '.join(variations.VARIATIONS)}; both sides of a structure together."
    print_table("Coefficient of variation of the volumes, %", ["", *AGAIN], rows, note)


def spread_percent(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """The coefficient of variation by structure."""
    found: dict[str, list[float]] = {}
    for name in SYNTHSEG_V2.names[1:]:
        sizes = np.array([volumes[name] for volumes in tables])
        spread = 100 * sizes.std(ddof=1) / sizes.mean() if sizes.any() else float("nan")
        found.setdefault(sideless(name), []).append(spread)
    return {title: float(np.nanmean(spreads)) for title, spreads in found.items()}
