"""The scans that the shipped model's card is made of, written into one folder when first needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import yaml
from served import SHARED_DATA
from thickened import PLANES, thickened

SCANS = SHARED_DATA / "scans"
HELD_OUT = ("training_seg_07", "training_seg_12")
SAMPLES, SEED = 6, 77
SPACINGS_MM = {"1 mm": (1, 1, 1), "3 mm": (1, 1, 3), "6 mm": (1, 1, 6)}
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


@dataclass(frozen=True)
class CardScan:
    """A scan to segment.

    Attributes:
        name: Of its own.
        path: The file.
        truth: Label map to compare with, where there is one.
        ct: Whether it is in Hounsfield units.
    """

    name: str
    path: Path
    truth: Path | None = None
    ct: bool = False


def slug(title: str) -> str:
    """A title as part of a file name."""
    return title.replace(", ", "-").replace(" ", "-")


def real_scans() -> list[CardScan]:
    """The T1 scans that FreeSurfer has segmented."""
    return [
        CardScan(slug(kind), SCANS / scan, SCANS / labels)
        for kind, (scan, labels) in TRUTHS.items()
    ]


def person_scan(person: str, contrast: str) -> CardScan:
    """A scan of one of `PEOPLE`."""
    return CardScan(f"{slug(person)}-{contrast}", SCANS / PEOPLE[person][contrast])


def synthetic_scans(folder: Path, kind: str) -> list[CardScan]:
    """Synthetic scans of the held-out maps at one of `SPACINGS_MM`, the same draws at each."""
    made = folder / f"synthetic-{slug(kind)}"
    if not made.exists():
        _generate(folder, kind, made)
    files = [made / f"sample-{k:05d}" for k in range(SAMPLES)]
    return [
        CardScan(f"{made.name}-{k}", Path(f"{at}_image.nii.gz"), Path(f"{at}_labels.nii.gz"))
        for k, at in enumerate(files)
    ]


def _generate(folder: Path, kind: str, made: Path) -> None:
    store = folder / "labels.zarr"
    if not store.exists():
        run(["synthseg-generator", "ingest", SHARED_DATA / "label_maps", store])
    names = [p.name.removesuffix(".nii.gz") for p in (SHARED_DATA / "label_maps").glob("*.nii.gz")]
    content = {
        "crop": {"shape": [160, 192, 160], "placement": "centred", "jitter": 0},
        "map_weights": {name: int(name in HELD_OUT) for name in names},
        "acquisition": {"fixed_spacing_mm": [list(SPACINGS_MM[kind])]},
    }
    settings = folder / "settings.yaml"
    settings.write_text(yaml.safe_dump(content))
    options = ["--samples", SAMPLES, "--seed", SEED, "--settings", settings]
    run(["synthseg-generator", "generate", store, made, *options])


def thick_scans(
    folder: Path, scans: Sequence[CardScan], slices_mm: Sequence[float]
) -> list[CardScan]:
    """Each scan as slices of each thickness in each plane, with the truth of the fine one."""
    found = []
    for scan in scans:
        for slice_mm in slices_mm:
            for plane in PLANES:
                name = thick_name(scan.name, plane, slice_mm)
                path = folder / f"{name}.nii"
                if not path.exists():
                    nib.save(thickened(nib.load(scan.path), plane, slice_mm), path)
                found.append(CardScan(name, path, scan.truth))
    return found


def thick_name(name: str, plane: str, slice_mm: float) -> str:
    """What such a scan is called."""
    return f"{name}-{plane}-{slice_mm:g}mm"


def noisy_scans(
    folder: Path, scans: Sequence[CardScan], strengths: Sequence[float]
) -> list[CardScan]:
    """Each scan with a magnitude image's noise, in parts of its 99th percentile."""
    found = []
    for scan in scans:
        image = nib.as_closest_canonical(nib.load(scan.path))
        voxels = np.asarray(image.dataobj, np.float32)
        for strength in strengths:
            name = f"{scan.name}-noise-{strength:g}"
            path = folder / f"{name}.nii"
            if not path.exists():
                sigma = strength * np.percentile(voxels, 99)
                real, imaginary = np.random.default_rng(0).normal(0, sigma, (2, *voxels.shape))
                noisy = np.hypot(voxels + real, imaginary).astype(np.float32)
                nib.save(nib.Nifti1Image(noisy, image.affine), path)
            found.append(CardScan(name, path, scan.truth))
    return found


def run(command: Sequence[object]) -> None:
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
