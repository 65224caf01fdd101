"""The two scans of the demo: a brain template, and the same brain as thick oblique slices."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

TEMPLATE_NAME = "mni152_t1_1mm"
THICK_NAME = "mni152_t1_5mm_oblique"
SLICE_MM = 5.0
SUBSLICE_MM = 0.5
TILT_DEG = (15.0, -8.0, 6.0)
THICK_SHAPE = (224, 256, 46)


def write_scans(folder: Path) -> dict[str, Path]:
    """Writes the template and its thick slices as NIfTI.

    Args:
        folder: Where to; made if missing.

    Returns:
        Path of each scan by its name.
    """
    # Reads a file of the nilearn package; nothing is downloaded.
    from nilearn.datasets import load_mni152_template

    folder.mkdir(parents=True, exist_ok=True)
    template = load_mni152_template(resolution=1)
    brain = np.asarray(template.dataobj, np.float32)
    affine = thick_affine(brain.shape, template.affine)
    thick = reslice(brain, template.affine, affine, THICK_SHAPE)
    scans = {TEMPLATE_NAME: (brain, template.affine), THICK_NAME: (thick, affine)}
    paths = {name: folder / f"{name}.nii.gz" for name in scans}
    for name, (voxels, voxel_to_world) in scans.items():
        # As a scanner stores them: 12 bits in int16.
        stored = np.round(4095 * voxels / voxels.max()).astype(np.int16)
        image = nib.Nifti1Image(stored, voxel_to_world)
        image.set_qform(voxel_to_world, code=1)
        image.set_sform(voxel_to_world, code=1)
        image.header.set_xyzt_units("mm")
        nib.save(image, paths[name])
    return paths


def thick_affine(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Voxel-to-world matrix of tilted 5 mm slices around the middle of a volume.

    The first axis runs to the left, as scanners often store it.

    Args:
        shape: Voxels of the volume.
        affine: Its voxel-to-world matrix, 4 x 4, mm.

    Returns:
        float64 `[4, 4]`, mm.
    """
    turn = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(TILT_DEG)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        about = np.eye(3)
        about[[first, second], [first, second]] = np.cos(angle)
        about[first, second], about[second, first] = -np.sin(angle), np.sin(angle)
        turn = about @ turn
    linear = turn @ np.diag([-1.0, 1.0, SLICE_MM])
    middle = affine @ [*((np.array(shape) - 1) / 2), 1.0]
    result = np.eye(4)
    result[:3, :3] = linear
    result[:3, 3] = middle[:3] - linear @ ((np.array(THICK_SHAPE) - 1) / 2)
    return result


def reslice(
    volume: np.ndarray, affine: np.ndarray, new_affine: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Samples a volume as slices that average over their thickness along the last axis.

    Args:
        volume: float32 `[x, y, z]`.
        affine: Its voxel-to-world matrix, 4 x 4, mm.
        new_affine: Voxel-to-world matrix of the slices, 4 x 4, mm; the last axis has `SLICE_MM`.
        shape: Voxels of the result.

    Returns:
        float32 `shape`, in the units of `volume`, 0 outside it.
    """
    per_slice = round(SLICE_MM / SUBSLICE_MM)
    # Sub-slice centres lie symmetrically about each slice's centre.
    to_subslices = np.diag([1.0, 1.0, 1 / per_slice, 1.0])
    to_subslices[2, 3] = (1 / per_slice - 1) / 2
    matrix = np.linalg.inv(affine) @ new_affine @ to_subslices
    fine_shape = (*shape[:2], shape[2] * per_slice)
    fine = ndimage.affine_transform(volume, matrix, output_shape=fine_shape, order=1)
    return fine.reshape(*shape, per_slice).mean(axis=-1, dtype=np.float32)
