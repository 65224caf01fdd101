"""Makes label maps of an invented abdomen, no two alike, and two scans of further ones.

    python make_phantom.py data

writes

    data/label_maps/   twelve label maps to train on, 2 mm
    data/scans/        two scans of abdomens that are not among them, each of its own contrast:
                       `ct_like` at 2 mm, `mr_like` in slices of 5 mm, noisy and unevenly bright
    data/truth/        what the scans show
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

EXTENT_MM = (160, 128, 160)
VOXEL_MM = 2.0
SUBJECTS = 12
SLICE_MM = 5.0


@dataclass(frozen=True)
class Organ:
    """An ellipsoid; the rows of `ORGANS` lie on top of those before them.

    Attributes:
        label: Its value in the label maps.
        centre: Right, anterior, superior, as fractions of the volume.
        radius: Half axes, as fractions of the volume; more than 1 for what runs through it.
        vary: How much centre and size differ between subjects.
    """

    label: int
    centre: tuple[float, float, float]
    radius: tuple[float, float, float]
    vary: float = 1.0


ORGANS = (
    Organ(1, (0.50, 0.50, 0.50), (0.46, 0.45, 3.00), vary=0.5),  # fat
    Organ(2, (0.50, 0.50, 0.50), (0.41, 0.38, 3.00), vary=0.5),  # muscle and all else
    Organ(13, (0.66, 0.58, 0.72), (0.19, 0.24, 0.19)),  # liver, to the right
    Organ(14, (0.31, 0.66, 0.70), (0.12, 0.12, 0.14)),  # stomach, to the left
    Organ(12, (0.50, 0.68, 0.18), (0.12, 0.11, 0.10)),  # bladder
    Organ(10, (0.50, 0.22, 0.50), (0.08, 0.10, 3.00), vary=0.5),  # spine
    Organ(11, (0.49, 0.37, 0.50), (0.035, 0.045, 3.00), vary=0.5),  # aorta
    Organ(20, (0.33, 0.33, 0.47), (0.07, 0.08, 0.13)),  # left kidney
    Organ(30, (0.67, 0.33, 0.43), (0.07, 0.08, 0.13)),  # right kidney
)
# What each tissue looks like in the two scans, in any unit: none is what the network trains on.
CT_LIKE = {0: -1000, 1: -90, 2: 45, 10: 420, 11: 180, 12: 8, 13: 110, 14: 25, 20: 160, 30: 160}
MR_LIKE = {0: 4, 1: 700, 2: 260, 10: 170, 11: 60, 12: 950, 13: 210, 14: 480, 20: 560, 30: 560}


def make_labels(rng: np.random.Generator, voxel_mm: float) -> np.ndarray:
    """One abdomen.

    Returns:
        uint8 `[x, y, z]`, axes right, anterior, superior, values of `ORGANS`.
    """
    shape = tuple(round(extent / voxel_mm) for extent in EXTENT_MM)
    # Fractions of the volume, bent a little and differently everywhere.
    grid = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij"))
    bend = [ndimage.zoom(rng.normal(0, 0.01, (4, 4, 4)), np.divide(shape, 4)) for _ in range(3)]
    grid += np.stack(bend)
    size = rng.uniform(0.9, 1.05)
    labels = np.zeros(shape, np.uint8)
    for organ in ORGANS:
        shift = rng.normal(0, 0.012 * organ.vary, 3)
        scale = size * rng.uniform(1 - 0.12 * organ.vary, 1 + 0.12 * organ.vary, 3)
        terms = zip(grid, organ.centre, organ.radius, shift, scale, strict=True)
        inside = sum(((g - 0.5 - (c - 0.5) * size - s) / (r * f)) ** 2 for g, c, r, s, f in terms)
        labels[inside <= 1] = organ.label
    return labels


def make_scan(
    labels: np.ndarray, intensities: dict[int, float], noise: float, rng: np.random.Generator
) -> np.ndarray:
    """A scan of an abdomen, float32: tissues of one brightness each, blurred, with noise."""
    lookup = np.zeros(max(intensities) + 1)
    lookup[list(intensities)] = list(intensities.values())
    clean = ndimage.gaussian_filter(lookup[labels], 0.4)
    spread = np.ptp(list(intensities.values()))
    return (clean + rng.normal(0, noise * spread, labels.shape)).astype(np.float32)


def thicken(scan: np.ndarray, voxel_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """The scan in thick axial slices, and their affine."""
    factor = SLICE_MM / voxel_mm
    count = int(scan.shape[2] / factor)
    blurred = ndimage.gaussian_filter1d(scan, factor / 2.355, axis=2)
    # The middle of a slice lies between those of the voxels that it covers.
    places = np.arange(count) * factor + (factor - 1) / 2
    slices = ndimage.map_coordinates(
        blurred, np.meshgrid(*map(np.arange, scan.shape[:2]), places, indexing="ij"), order=1
    )
    affine = np.diag([voxel_mm, voxel_mm, SLICE_MM, 1.0])
    affine[2, 3] = places[0] * voxel_mm
    return slices.astype(np.float32), affine


def save(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    """Writes a NIfTI file in millimetres."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def main() -> None:
    """Writes everything; the same files each time."""
    parser = argparse.ArgumentParser(description="Makes label maps and scans of an abdomen.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--subjects", type=int, default=SUBJECTS, help="maps to train on")
    parser.add_argument("--voxel-mm", type=float, default=VOXEL_MM, help="voxel size")
    options = parser.parse_args()
    size = options.voxel_mm
    affine = np.diag([size, size, size, 1.0])
    for number in range(options.subjects):
        labels = make_labels(np.random.default_rng([1, number]), size)
        save(options.output / "label_maps" / f"abdomen_{number:02d}.nii.gz", labels, affine)
    for number, name in enumerate(("ct_like", "mr_like")):
        rng = np.random.default_rng([2, number])
        labels = make_labels(rng, size)
        save(options.output / "truth" / f"{name}.nii.gz", labels, affine)
        if name == "ct_like":
            scan, scan_affine = make_scan(labels, CT_LIKE, 0.01, rng), affine
        else:
            uneven = np.exp(np.linspace(-0.3, 0.3, labels.shape[0]))[:, None, None]
            scan = make_scan(labels, MR_LIKE, 0.03, rng) * uneven
            scan, scan_affine = thicken(scan, size)
        save(options.output / "scans" / f"{name}.nii.gz", scan.astype(np.float32), scan_affine)


if __name__ == "__main__":
    main()
