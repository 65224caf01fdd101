"""Of the card: the CT template, of which no segmentation exists.

So what is measured is only how plausible the answer is: what part of the brain each structure
takes, and how well it overlaps after an affine registration, both against the same model's answer
for another average brain (the MNI152 T1 of the nilearn package); and how alike the two sides are.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import alignment
import nibabel as nib
import numpy as np
from answers import Answers
from card_scans import SCANS, CardScan
from markdown_table import decimals, print_table
from overlaps import WITHOUT_CSF, Dice, by_structure, dice, mean_of, placed
from synthseg_client.options import CT_RANGE_HU
from synthseg_common.labels import CSF, SYNTHSEG_V2

CT, T1 = "ct-template", "mni152-t1"
TEMPLATE = SCANS / "ct_template" / "ct_brain_atlas_1mm.nii.gz"
_NAMES = dict(zip(SYNTHSEG_V2.values, SYNTHSEG_V2.names, strict=True))


def scans(folder: Path) -> list[CardScan]:
    """What has to be segmented; without nilearn the CT alone."""
    found = [CardScan(CT, TEMPLATE, ct=True)]
    if importlib.util.find_spec("nilearn") is None:
        print("(nilearn is not installed: pip install '.[demo]')", file=sys.stderr)
        return found
    from nilearn.datasets import load_mni152_template

    path = folder / f"{T1}.nii"
    if not path.exists():
        # A file of the package; nothing is downloaded.
        nib.save(load_mni152_template(resolution=1), path)
    return [*found, CardScan(T1, path)]


def show(answers: Answers, folder: Path) -> None:
    """A row for each structure: how large it is, how it compares with the T1's, and its sides."""
    mine = answers[CT].volumes_mm3
    other = answers[T1].volumes_mm3 if T1 in answers else None
    overlap = _overlap(answers, folder) if other and alignment.AVAILABLE else {}
    rows = []
    for title, values in by_structure().items():
        if values == [CSF]:
            continue
        names = [_NAMES[value] for value in values]
        ratio = part(mine, names) / part(other, names) if other else float("nan")
        scores = [overlap.get(value, float("nan")) for value in values]
        millilitres = sum(mine[name] for name in names) / 1000
        figures = [decimals(millilitres, 1), decimals(ratio), decimals(float(np.mean(scores)))]
        rows.append([title, *figures, difference_percent(mine, names)])
    mean = mean_of(overlap, WITHOUT_CSF) if overlap else np.nan
    rows.append(["mean", "", "", decimals(mean), ""])
    head = ["", "ml", "part of the brain, CT / T1", "Dice with T1", "left - right, %"]
    print_table("The CT template, without a truth", head, rows, _note(answers))


def _note(answers: Answers) -> str:
    labels = np.asarray(nib.load(answers[CT].labels).dataobj)
    image = nib.as_closest_canonical(nib.load(TEMPLATE))
    head = np.asarray(image.dataobj) > 0
    inside = np.mean(labels[head] > 0)
    brain = sum(size for name, size in answers[CT].volumes_mm3.items() if name in _brain())
    return (
        f"Brain without CSF {brain / 1e6:.2f} l; {100 * inside:.0f} % of the template's voxels "
        "above 0 HU have a label. T1 is the model's answer for the MNI152 template, an average of "
        "other people: nothing here is a truth."
    )


def _brain() -> set[str]:
    return {_NAMES[value] for value in WITHOUT_CSF}


def part(volumes_mm3: dict[str, float], names: list[str]) -> float:
    """What some structures take of the brain without CSF."""
    return sum(volumes_mm3[n] for n in names) / sum(volumes_mm3[n] for n in _brain())


def difference_percent(volumes_mm3: dict[str, float], names: list[str]) -> str:
    """How much larger the left one is, in percent of the mean; nothing for the midline."""
    if len(names) == 1:
        return ""
    left, right = (volumes_mm3[name] for name in names)
    return f"{200 * (left - right) / (left + right):+.1f}" if left + right else "nan"


def _overlap(answers: Answers, folder: Path) -> Dice:
    """Dice of the T1's answer, put where an affine registration of the two scans says."""
    shown = folder / "ct-window.nii"
    image = nib.load(TEMPLATE)
    window = np.clip(np.asarray(image.dataobj, np.float32), *CT_RANGE_HU)
    nib.save(nib.Nifti1Image(window, image.affine), shown)
    place = alignment.match(shown, folder / f"{T1}.nii")
    return dice(nib.load(answers[CT].labels), placed(nib.load(answers[T1].labels), place))
