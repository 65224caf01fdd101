import nibabel as nib
import numpy as np

from bench.overlaps import dice, mean_of, on_grid, read_labels

LABELS = np.random.default_rng(0).choice([0, 2, 3, 17], (10, 12, 14)).astype(np.int16)


def test_parcels_count_as_the_cortex_of_their_side_and_axes_are_canonical() -> None:
    labels = np.zeros((3, 1, 1), np.int16)
    labels[:, 0, 0] = [1035, 2001, 17]

    found = read_labels(nib.Nifti1Image(labels, np.diag([-1.0, 1, 1, 1])))

    np.testing.assert_array_equal(np.asarray(found.dataobj)[:, 0, 0], [17, 42, 3])


def test_the_same_grid_changes_nothing() -> None:
    np.testing.assert_array_equal(on_grid(LABELS, np.eye(4), LABELS.shape, np.eye(4)), LABELS)


def test_nearest_voxel_counts_and_outside_is_background() -> None:
    moved = np.eye(4)
    moved[:3, 3] = [2.3, 0, -1.4]

    found = on_grid(LABELS, np.eye(4), LABELS.shape, moved)

    np.testing.assert_array_equal(found[:8, :, 1:], LABELS[2:, :, :13])
    assert not found[8:].any()
    assert not found[:, :, 0].any()


def test_turned_grids_are_looked_up_too() -> None:
    quarter = np.array([[0.0, -1, 0, 9], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])

    found = on_grid(LABELS, np.eye(4), (12, 10, 14), quarter)

    np.testing.assert_array_equal(found, np.rot90(LABELS, -1))


def test_dice_on_the_grid_of_the_truth() -> None:
    truth = np.zeros((4, 4, 4), np.int16)
    truth[:2] = 17
    coarse = np.zeros((2, 4, 4), np.int16)
    coarse[0] = 17
    affine = np.diag([2.0, 1, 1, 1])
    affine[0, 3] = 0.5

    scores = dice(nib.Nifti1Image(truth, np.eye(4)), nib.Nifti1Image(coarse, affine))

    assert scores[17] == 1
    assert np.isnan(scores[53])
    assert mean_of(scores) == 1
