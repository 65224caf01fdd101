"""Registration of two scans: rigid of one person, who moves between them; affine of two people."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg

AVAILABLE = importlib.util.find_spec("SimpleITK") is not None
# ITK counts left and posterior as positive, NIfTI right and anterior.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def register(fixed: Path, moving: Path) -> tuple[np.ndarray, np.ndarray]:
    """Registers both ways, since one way and the other differ: by up to 1 mm where slices are 3 mm.

    Only the scans are looked at, not what was segmented in them.

    Returns:
        float64 `[4, 4]` twice, RAS mm of the fixed scan to RAS mm of the moving one: half way
        between the two registrations, and what remains between them.
    """
    there, back = _one_way(fixed, moving), np.linalg.inv(_one_way(moving, fixed))
    between = there @ np.linalg.inv(back)
    half = scipy.linalg.fractional_matrix_power(between, 0.5)
    return half.real @ back, between


def match(fixed: Path, moving: Path) -> np.ndarray:
    """Registers two brains with each other, which may lie anywhere.

    Returns:
        float64 `[4, 4]`, RAS mm of the fixed scan to RAS mm of the moving one: 12 parameters.
    """
    import SimpleITK as sitk  # noqa: N813

    scans = [sitk.ReadImage(str(path), sitk.sitkFloat32) for path in (fixed, moving)]
    by_mass = sitk.CenteredTransformInitializerFilter.MOMENTS
    transform = sitk.CenteredTransformInitializer(*scans, sitk.AffineTransform(3), by_mass)
    return _optimised(scans, transform)


def _one_way(fixed: Path, moving: Path) -> np.ndarray:
    """From where the scanner put the scans, without scaling."""
    import SimpleITK as sitk  # noqa: N813 (its own documentation calls it so)

    scans = [sitk.ReadImage(str(path), sitk.sitkFloat32) for path in (fixed, moving)]
    transform = sitk.CenteredTransformInitializer(
        scans[0],
        scans[0],
        sitk.Euler3DTransform(),
        sitk.CenteredTransformInitializerFilter.GEOMETRY,
    )
    return _optimised(scans, transform)


def _optimised(scans: list[Any], transform: Any) -> np.ndarray:
    """By mutual information (Mattes), coarse to fine; the transform is changed."""
    import SimpleITK as sitk  # noqa: N813

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(64)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.3)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 300)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SetInitialTransform(transform, True)
    method.Execute(*scans)
    return _FLIP @ _matrix(transform) @ _FLIP


def _matrix(transform: Any) -> np.ndarray:
    origin = np.array(transform.TransformPoint([0.0, 0.0, 0.0]))
    matrix = np.eye(4)
    for axis in range(3):
        matrix[:3, axis] = np.array(transform.TransformPoint(np.eye(3)[axis].tolist())) - origin
    matrix[:3, 3] = origin
    return matrix
