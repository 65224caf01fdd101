from collections.abc import Sequence

import nibabel as nib
import numpy as np
import pytest
from synthseg_client.geometry.orientation import orientation_of
from synthseg_client.geometry.resampling import plan_resampling
from synthseg_trainer.evaluation.image_files import PlacedImage
from synthseg_trainer.evaluation.scan_grid import on_network_grid
from typed import there


def _scan(
    sizes: Sequence[float], shape: tuple[int, int, int] = (11, 9, 13), flip: bool = False
) -> PlacedImage:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    affine = np.diag([*sizes, 1.0])
    if flip:
        affine = affine @ np.array([[0, 0, 1, 0], [-1.0, 0, 0, 8], [0, 1, 0, 0], [0, 0, 0, 1]])
    return PlacedImage(values, affine)


@pytest.mark.parametrize(
    ("sizes", "flip", "voxel_mm"),
    [((0.7, 0.7, 0.7), False, 1.0), ((1, 1, 4), True, 1.0), ((2, 1, 0.5), True, 2.0)],
)
def test_scans_reach_the_network_as_the_client_sends_them(
    sizes: tuple[float, float, float], flip: bool, voxel_mm: float
) -> None:
    scan = _scan(sizes, flip=flip)
    resampling = there(plan_resampling(scan.values.shape, scan.affine, voxel_mm))
    affine = resampling.affine_out(scan.affine)
    native = resampling.apply(scan.values)
    found = on_network_grid(scan, voxel_mm)
    np.testing.assert_allclose(found.values, orientation_of(affine).to_ras(native), atol=1e-5)
    expected = orientation_of(affine).affine_to_ras(affine, native.shape)
    np.testing.assert_allclose(found.affine, expected, atol=1e-9)


@pytest.mark.parametrize("size", [0.95, 1.05])
def test_at_the_bounds_of_what_is_left_alone_scans_go_the_client_s_way(size: float) -> None:
    scan = _scan([1, 1, float(np.float32(size))])
    left_alone = plan_resampling(scan.values.shape, scan.affine, 1.0) is None
    assert np.array_equal(on_network_grid(scan).affine, scan.affine) == left_alone


def test_voxels_close_to_the_network_s_are_left_alone() -> None:
    scan = _scan((1.04, 0.96, 1.0), flip=True)
    found = on_network_grid(scan)
    assert sorted(found.values.ravel()) == sorted(scan.values.ravel())
    assert nib.aff2axcodes(found.affine) == ("R", "A", "S")
