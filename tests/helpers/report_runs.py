"""Runs as `segment` leaves them, small and made without a server."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from synthseg_client.batch.tasks import SOFTWARE
from synthseg_client.options import Options
from synthseg_client.results.journal import JOURNAL_NAME, Entry, FailedEntry, Journal, scan_digest

NAMES = {
    0: "background",
    2: "left cerebral white matter",
    24: "csf",
    41: "right cerebral white matter",
}
PATIENT = "Miller^Anna"
"""Stands in the header of every scan, and nowhere else."""
SHAPE = (28, 32, 24)
AFFINE = np.array([[-4.0, 0, 0, 60], [0, 0, 4, -62], [0, -4, 0, 60], [0, 0, 0, 1]])
"""Axes run left, inferior, anterior."""


def labelled_head() -> tuple[np.ndarray, np.ndarray]:
    """A scan and its labels: two halves of a ball in a shell; the right one, of x, is darker."""
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    radius = np.sqrt((places**2).sum(axis=0))
    left = places[0] > 0  # the first axis runs left
    labels = np.where(radius < 0.6, np.where(left, 2, 41), np.where(radius < 0.75, 24, 0))
    values = np.select([labels == 2, labels == 41, labels == 24], [100.0, 80.0, 30.0], 0.0)
    return values.astype(np.float32), labels.astype(np.uint8)


def write_run(
    folder: Path, scans: int = 12, *, far: int = 3, journal: bool = True, name: str = "sub-{}_T1w"
) -> Path:
    """Writes a run and its scans; one of them has a small left side, another one has failed.

    Args:
        folder: Gets folders `scans` and `out`.
        scans: How many.
        far: Which of them is unlike the others.
        journal: Whether its journal is kept.
        name: Of a scan, without its ending.

    Returns:
        The folder of the results.
    """
    out = folder / "out"
    (folder / "scans").mkdir(parents=True)
    out.mkdir()
    image, labels = labelled_head()
    records = Journal(out / JOURNAL_NAME)
    rng = np.random.default_rng(0)
    for number in range(scans):
        stem = name.format(f"{number:02d}")
        scan, made = folder / f"scans/{stem}.nii.gz", out / f"{stem}_synthseg.nii.gz"
        saved = nib.Nifti1Image(image, AFFINE)
        saved.header["descrip"] = PATIENT
        nib.save(saved, scan)
        nib.save(nib.Nifti1Image(labels, AFFINE), made)
        left, right = 1000 * rng.normal(300, 5, 2)
        left *= 0.5 if number == far else 1
        volumes = {NAMES[2]: left, NAMES[24]: 1000 * rng.normal(900, 20), NAMES[41]: right}
        digest = scan_digest(scan)
        (out / f"{stem}_synthseg.json").write_text(json.dumps(_sidecar(scan, digest, number)))
        entry = Entry(
            str(scan),
            digest,
            Options().fingerprint(),
            "model",
            {str(made): ""},
            {"total intracranial": sum(volumes.values()), **volumes},
        )
        if journal:
            records.append(made, entry)
    if journal:
        broken = folder / "scans" / "broken.nii.gz"
        told = FailedEntry(str(broken), f"{broken}: broken or cut off.")
        records.append_failure(out / "broken_synthseg.nii.gz", told)
    return out


def _sidecar(scan: Path, digest: str, number: int) -> dict[str, object]:
    return {
        "software": {"name": SOFTWARE, "version": "1.2.3"},
        "model": {"served_name": "synthseg", "served_version": 7, "weights": {"sha256": "ab12"}},
        "options": Options().to_json(),
        "scan": {"file": scan.name, "sha256": digest, "resampled": True},
        "network_passes": 1,
        "seconds": {"read": 0.5, "server": 2.0 + number},
        "warnings": ["its sform and qform differ"] if number == 1 else [],
        "quality": {"thalamus": 0.5 + number / 100, "general csf": 0.9},
        "labels": {str(value): text for value, text in NAMES.items()},
    }
