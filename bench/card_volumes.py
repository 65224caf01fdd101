"""Of the card: the model's volumes against FreeSurfer's, on the two T1 scans."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from answers import Answers
from card_scans import TRUTHS, CardScan, real_scans
from markdown_table import decimals, print_table
from overlaps import by_structure, read_labels
from synthseg_common.labels import SYNTHSEG_V2


def scans(folder: Path) -> list[CardScan]:
    """What has to be segmented."""
    return real_scans()


def show(answers: Answers, folder: Path) -> None:
    """Ratios by structure, both sides together."""
    columns = {
        kind: ratios(answers[scan.name].volumes_mm3, nib.load(scan.truth))
        for kind, scan in zip(TRUTHS, real_scans(), strict=True)
    }
    rows = [
        [title, *(decimals(column[title]) for column in columns.values())]
        for title in by_structure()
    ]
    away = [
        np.median([abs(ratio - 1) for name, ratio in column.items() if name != "csf"])
        for column in columns.values()
    ]
    rows.append(["median distance from 1, without CSF", *(f"{part:.2f}" for part in away)])
    note = (
        "The client's volumes (sums of probabilities) over the voxels of FreeSurfer's label map, "
        "both sides together; FreeSurfer is no truth, either."
    )
    print_table("Volumes, model / FreeSurfer", ["", *columns], rows, note)


def ratios(
    volumes_mm3: dict[str, float], truth: nib.spatialimages.SpatialImage
) -> dict[str, float]:
    """By structure without sides: a table's volumes over those of a label map."""
    labels = np.asarray(read_labels(truth).dataobj)
    voxel_mm3 = abs(np.linalg.det(truth.affine[:3, :3]))
    names = dict(zip(SYNTHSEG_V2.values, SYNTHSEG_V2.names, strict=True))
    counts = np.bincount(labels[labels >= 0], minlength=max(names) + 1)
    found = {}
    for title, values in by_structure().items():
        true_mm3 = counts[values].sum() * voxel_mm3
        mine_mm3 = sum(volumes_mm3[names[value]] for value in values)
        found[title] = mine_mm3 / true_mm3 if true_mm3 else float("nan")
    return found
