from __future__ import annotations

import numpy as np
import pytest
from report_runs import AFFINE, labelled_head
from synthseg_client.pictures.display import Cut, Display, Volume, as_grey, cuts, window


@pytest.fixture
def labels() -> Volume:
    return Volume(labelled_head()[1], AFFINE)


def test_the_box_holds_the_labels_and_a_margin_along_right_anterior_superior(
    labels: Volume,
) -> None:
    where = np.argwhere(labels.values != 0)
    corners = np.stack([where.min(axis=0) - 0.5, where.max(axis=0) + 0.5])
    ends = np.sort(corners @ AFFINE[:3, :3].T + AFFINE[:3, 3], axis=0)
    box = Display.around(labels, margin_mm=4)
    np.testing.assert_allclose(box.axes, np.eye(3))
    np.testing.assert_allclose(box.corner_mm, ends[0] - 4)
    np.testing.assert_allclose(box.size_mm, ends[1] - ends[0] + 8)


def test_the_box_ends_with_the_grid_and_is_all_of_it_without_labels() -> None:
    volume = Volume(np.zeros((4, 5, 6), np.uint8), np.eye(4))
    for values in (volume.values, volume.values + 1):
        box = Display.around(Volume(values, volume.affine))
        np.testing.assert_allclose(box.corner_mm, -0.5)
        np.testing.assert_allclose(box.size_mm, [4, 5, 6])


def test_an_enlarged_box_keeps_its_middle(labels: Volume) -> None:
    box = Display.around(labels)
    larger = box.enlarged(6.0)
    assert np.all(larger.size_mm % 6 == 0)
    np.testing.assert_allclose(
        larger.corner_mm + larger.size_mm / 2, box.corner_mm + box.size_mm / 2
    )


def test_slices_show_left_on_the_left_and_superior_at_the_top() -> None:
    values = np.zeros((4, 4, 4), np.float32)
    values[0, 3, 3] = 1  # left, anterior, superior in RAS
    box = Display.around(Volume(values, np.eye(4)), margin_mm=9)
    volume = Volume(values, np.eye(4))
    middle = {0: 0.125, 1: 0.875, 2: 0.875}
    corner = {0: (0, -1), 1: (0, 0), 2: (0, 0)}
    for axis, share in middle.items():
        plane = box.plane(volume, Cut(axis, share), 1.0, order=0)
        assert plane[corner[axis]] == plane.sum() == 1


@pytest.mark.parametrize("permutation", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1)])
def test_slices_are_the_same_however_voxels_are_stored(
    labels: Volume, permutation: tuple[int, int, int], flips: tuple[int, int, int]
) -> None:
    stored = labels.values.transpose(permutation)[tuple(slice(None, None, f) for f in flips)]
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, (old, flip) in enumerate(zip(permutation, flips, strict=True)):
        change[old, new] = flip
        change[old, 3] = 0 if flip > 0 else labels.values.shape[old] - 1
    other = Volume(stored, AFFINE @ change)
    # Not between two voxels, where the nearest is a matter of rounding.
    for cut in (Cut(axis, share) for axis in range(3) for share in (0.28, 0.51)):
        one, two = (Display.around(v).plane(v, cut, 2.0, order=0) for v in (labels, other))
        np.testing.assert_array_equal(one, two)


def test_a_whole_box_is_its_slices(labels: Volume) -> None:
    box = Display.around(labels).enlarged(4.0)
    whole = box.volume(labels, 4.0, order=0)
    assert whole.shape == box.shape(4.0)
    share = (5 + 0.5) / whole.shape[2]
    plane = box.plane(labels, Cut(2, share), 4.0, order=0)
    np.testing.assert_array_equal(plane, np.flipud(whole[:, :, 5].T))


def test_cuts_are_spread_evenly_within_the_labels(labels: Volume) -> None:
    box = Display.around(labels)
    rows = cuts(3, 12, box)
    assert [row[0].plane for row in rows] == ["axial", "coronal", "sagittal"]
    for row in rows:
        shares = [cut.share for cut in row]
        assert shares[1] == pytest.approx(0.5)
        assert 0.1 < shares[0] < shares[1] < shares[2] < 0.9


def test_grey_values_are_those_of_what_is_labelled() -> None:
    inside = np.full((10, 10), 1)
    # Air of a CT, brain, and bone: neither air nor bone takes the greys from brain.
    plane = np.linspace(20, 40, 100, dtype=np.float32).reshape(10, 10)
    air = np.full((10, 30), -1000, np.float32)
    bone = np.full((10, 5), 1500, np.float32)
    whole = np.concatenate([air, plane, bone], axis=1)
    where = np.concatenate([np.zeros_like(air), inside, np.zeros_like(bone)], axis=1)
    black, white = window([whole], [where.astype(np.int32)])
    assert 10 < black < 20
    assert 40 <= white < 50


@pytest.mark.parametrize("labelled", [0, 1])
def test_a_flat_scan_is_shown_all_the_same(labelled: int) -> None:
    plane = np.full((4, 4), 7, np.float32)
    black, white = window([plane], [np.full((4, 4), labelled, np.int32)])
    assert white > black
    assert as_grey(plane, black, white).dtype == np.uint8
