"""Of the card: whether the model's own probabilities tell bad segmentations from good ones.

Of all scans of the card whose truth is known: as they are, as thick slices, and with much noise.
CSF is left out, because FreeSurfer understands it otherwise.
"""

from __future__ import annotations

from pathlib import Path

import card_resolution
import card_structures
import confidence
import numpy as np
from answers import Answers
from card_scans import CardScan, noisy_scans, real_scans
from markdown_table import decimals, print_table
from overlaps import WITHOUT_CSF, by_structure
from synthseg_common.labels import SYNTHSEG_V2

NOISE = (0.1, 0.25)
BAD_DICE = 0.6
WORSE_BY = 0.05  # than the structure's mean
_CHANNELS = [SYNTHSEG_V2.values.index(value) for value in WITHOUT_CSF]


def scans(folder: Path) -> list[CardScan]:
    """What has to be segmented."""
    noisy = noisy_scans(folder, real_scans(), NOISE)
    return card_structures.scans(folder) + card_resolution.scans(folder) + noisy


def show(answers: Answers, folder: Path) -> None:
    """Each measure of doubt against Dice, then one of them by structure."""
    wanted = {scan.name for scan in scans(folder)}
    kinds = {
        "all": sorted(wanted),
        "synthetic": sorted(name for name in wanted if name.startswith("synthetic")),
        "real": sorted(name for name in wanted if not name.startswith("synthetic")),
    }
    tables = {kind: _collect(answers, names) for kind, names in kinds.items()}
    _show_measures(tables)
    _show_expected(tables)
    _show_structures(*tables["all"])


Table = tuple[np.ndarray, dict[str, np.ndarray]]
"""Dice `[scan, structure]`, and of the same shape each measure of doubt."""


def _collect(answers: Answers, names: list[str]) -> Table:
    dice = np.array([[answers[name].dice[value] for value in WITHOUT_CSF] for name in names])
    doubts = {
        measure: np.array([answers[name].doubts[measure][_CHANNELS] for name in names])
        for measure in confidence.DOUBTS
    }
    return dice, doubts


def _show_measures(tables: dict[str, Table]) -> None:
    rows = []
    for kind, (dice, doubts) in tables.items():
        for measure, doubt in doubts.items():
            rows.append([kind, confidence.DOUBTS[measure], *_figures(dice, doubt)])
    head = ["scans", "doubt of a structure", "scan by scan", "all structures", "within a structure"]
    head += [f"finds Dice < {BAD_DICE}", "within a structure"]
    dice = tables["all"][0]
    bad = dice < BAD_DICE
    most, part = _most_often(bad)
    note = (
        f"{len(dice)} scans, {dice.size} structures of which {100 * bad.mean():.0f} % have Dice "
        f"below {BAD_DICE}; {100 * part:.0f} % of these are {most}. The first three columns are "
        "Spearman correlations of doubt with Dice (-1: perfect, 0: none); the last two areas under "
        "the ROC curve (1: perfect, 0.5: none). Within a structure: after taking each structure's "
        "mean away, so that it does not count that some structures are harder than others; there, "
        f"bad is {WORSE_BY} below the mean."
    )
    print_table("Does the model know when it is wrong?", head, rows, note)


def _columns() -> dict[str, list[int]]:
    """Where a structure's sides stand in a table, by its name without a side."""
    return {
        title: [WITHOUT_CSF.index(value) for value in values]
        for title, values in by_structure().items()
        if set(values) <= set(WITHOUT_CSF)
    }


def _most_often(bad: np.ndarray) -> tuple[str, float]:
    """The structure that most bad ones are, and what part of them it is."""
    counts = {title: bad[:, columns].sum() for title, columns in _columns().items()}
    most = max(counts, key=lambda title: counts[title])
    return most, counts[most] / max(bad.sum(), 1)


def _figures(dice: np.ndarray, doubt: np.ndarray) -> list[str]:
    """The cells of a row."""
    by_scan = confidence.spearman(np.nanmean(doubt, 1), np.nanmean(dice, 1))
    pooled = confidence.spearman(doubt.ravel(), dice.ravel())
    own_dice, own_doubt = confidence.centred(dice).ravel(), confidence.centred(doubt).ravel()
    within = confidence.spearman(own_doubt, own_dice)
    found = confidence.area_under_roc(doubt.ravel(), dice.ravel() < BAD_DICE)
    found_within = confidence.area_under_roc(own_doubt, own_dice < -WORSE_BY)
    return list(map(decimals, (by_scan, pooled, within, found, found_within)))


def _show_expected(tables: dict[str, Table]) -> None:
    """Whether the Dice that the model expects is the one that it has."""
    rows = []
    for kind, (dice, doubts) in tables.items():
        expected = 1 - doubts[confidence.OWN_DICE]
        known = np.isfinite(dice) & np.isfinite(expected)
        away = np.abs(dice - expected)[known].mean()
        figures = (dice[known].mean(), expected[known].mean(), away)
        rows.append([kind, *(f"{figure:.2f}" for figure in figures)])
    head = ["scans", "Dice", "Dice with its own probabilities", "mean distance of the two"]
    print_table("What it expects of itself", head, rows)


def _show_structures(dice: np.ndarray, doubts: dict[str, np.ndarray]) -> None:
    doubt = doubts[confidence.WINNER]
    rows = []
    for title, columns in _columns().items():
        scores, unsure = dice[:, columns].ravel(), doubt[:, columns].ravel()
        bad = scores < BAD_DICE
        figures = (
            np.nanmean(scores),
            np.nanmin(scores),
            bad.mean(),
            confidence.spearman(unsure, scores),
            confidence.area_under_roc(unsure, bad),
        )
        rows.append([title, *map(decimals, figures)])
    head = ["", "mean Dice", "worst", f"part with Dice < {BAD_DICE}", "Spearman", "finds these"]
    note = f"Doubt as {confidence.DOUBTS[confidence.WINNER]}, over all scans."
    print_table("The same by structure", head, rows, note)
