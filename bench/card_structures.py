"""Of the card: Dice of each structure, on real T1 scans and on synthetic scans of held-out maps."""

from __future__ import annotations

from pathlib import Path

from answers import Answers, mean_dice
from card_scans import SPACINGS_MM, TRUTHS, CardScan, real_scans, slug, synthetic_scans
from markdown_table import print_table
from overlaps import STRUCTURES, WITHOUT_CSF, by_structure, mean_of


def scans(folder: Path) -> list[CardScan]:
    """What has to be segmented."""
    synthetic = [scan for kind in SPACINGS_MM for scan in synthetic_scans(folder, kind)]
    return real_scans() + synthetic


def show(answers: Answers, folder: Path) -> None:
    """The mean over structures, then structure by structure with both sides together."""
    groups = {kind: [slug(kind)] for kind in TRUTHS}
    for kind in SPACINGS_MM:
        groups[f"synthetic, {kind}"] = [scan.name for scan in synthetic_scans(folder, kind)]
    columns = [mean_dice(answers, names) for names in groups.values()]
    titles = {"mean": list(STRUCTURES), "mean without CSF": list(WITHOUT_CSF), **by_structure()}
    rows = [
        [title, *(f"{mean_of(column, values):.3f}" for column in columns)]
        for title, values in titles.items()
    ]
    print_table("Dice of the shipped model", ["", *groups], rows)
