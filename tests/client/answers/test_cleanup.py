from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from network_answers import answer_of, model_of
from synthseg_client.answers.cleanup import clean_up, in_largest_piece
from synthseg_client.answers.evidence import Evidence, read_evidence
from synthseg_client.geometry.orientation import orientation_of
from synthseg_client.results.volume_table import volumes_mm3
from synthseg_common.arrays import AnyArray, Float64Array


def _in_scan(
    array: AnyArray,
    crop: AnyArray,
    shape: tuple[int, ...],
    fill: float | AnyArray,
    affine: Float64Array,
) -> AnyArray:
    """An array of the crop's shape in its place in the whole volume, along the scan's own axes."""
    full = np.full((*shape, *array.shape[3:]), fill, array.dtype)
    full[tuple(slice(a, b) for a, b in zip(crop[:3], crop[3:], strict=True))] = array
    return orientation_of(affine).from_ras(full)


@pytest.mark.parametrize("dense", [True, False], ids=["dense", "evidence"])
@pytest.mark.parametrize(
    ("case", "fast"), [("v1_topo", False), ("v2_topo", False), ("v1_fast", True)]
)
def test_labels_and_volumes_are_those_of_the_original(
    shared_data: Path, case: str, fast: bool, dense: bool
) -> None:
    z = np.load(shared_data / "reference/postprocess" / f"{case}.npz")
    pad, crop = z["pad_idx"], z["crop_idx"]
    model = model_of(z["labels"], z["topology"])
    shape = tuple(pad[3:] - pad[:3])
    answer = answer_of(z["posteriors_in"][0], shape, pad[:3], z["topology"], dense=dense)
    clean = clean_up(read_evidence(answer, shape, model.n_labels), model, fast=fast)

    labels = model.label_values[clean.best_channels()]
    found = _in_scan(labels, crop, z["shape"], 0, z["aff"])
    assert np.mean(found == z["seg"]) >= 0.999

    volumes = volumes_mm3(clean.sums(model.n_labels), 1.0, model)
    expected = z["volumes"]
    assert len(volumes) == len(expected)
    if dense:
        np.testing.assert_allclose(list(volumes.values()), expected, rtol=1e-3, atol=0.5)
        posteriors = np.stack([clean.channel(c) for c in range(model.n_labels)], axis=-1)
        sure = np.zeros(model.n_labels, np.float32)
        sure[0] = 1
        found = _in_scan(posteriors, crop, z["shape"], sure, z["aff"])
        # Half precision tips a voxel over a threshold here and there.
        assert np.mean(np.abs(found - z["post"]) <= 1e-3) >= 0.9999


def test_largest_piece_is_that_of_the_original(shared_data: Path) -> None:
    z = np.load(shared_data / "reference/postprocess/largest_component.npz")
    voxels = np.flatnonzero(z["mask"])
    found = np.zeros(z["mask"].size, bool)
    found[voxels[in_largest_piece(voxels, z["mask"].shape)]] = True
    np.testing.assert_array_equal(found.reshape(z["mask"].shape), z["out"])


def test_pieces_that_touch_at_corners_only_are_two() -> None:
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, :2] = mask[1, 1, 2:] = mask[1, 1, 1] = True
    voxels = np.flatnonzero(mask)
    assert in_largest_piece(voxels, mask.shape).sum() == 3


def test_the_first_of_equally_large_pieces_is_kept() -> None:
    kept = in_largest_piece(np.array([0, 1, 3, 4]), (1, 1, 5))
    np.testing.assert_array_equal(kept, [True, True, False, False])


def test_no_foreground_gives_background_everywhere() -> None:
    model = model_of([0, 2], [0, 1])
    posteriors = np.zeros((32, 32, 32, 2), np.float32)
    posteriors[..., 0] = 1
    for fast in (True, False):
        answer = answer_of(posteriors, (20, 32, 32), (6, 0, 0), [0, 1], dense=True)
        clean = clean_up(read_evidence(answer, (20, 32, 32), 2), model, fast=fast)
        assert not clean.best_channels().any()
        assert clean.channel(0).min() == 1
        assert clean.sums(2).tolist() == [0, 0]


def test_a_voxel_of_which_nothing_is_left_is_background_and_not_nan() -> None:
    # Brain by the sum of its structures, but no single structure is probable enough, and
    # background itself has probability 0: the original divides by zero here.
    evidence = Evidence(
        (1, 1, 2),
        (0, 0, 0),
        (1, 1, 2),
        np.array([0, 1]),
        np.array([[0, 0], [1, 1], [2, 2]]),
        np.array([[0, 0], [0.15, 0.9], [0.15, 0.1]], np.float32),
    )
    clean = clean_up(evidence, model_of([0, 2, 3], [0, 0, 0]), fast=True)
    np.testing.assert_array_equal(clean.best_channels().ravel(), [0, 1])
    np.testing.assert_array_equal(clean.channel(0).ravel(), [1, 0])


def test_the_second_piece_of_a_class_gives_way_and_unfiltered_labels_stay() -> None:
    model = model_of([0, 2, 24], [0, 1, 0])
    probability = np.array(
        [[0.1, 0.1, 0.1, 0.1, 0.1], [0.9, 0.9, 0, 0.8, 0], [0, 0, 0.9, 0.05, 0.9]], np.float32
    )
    evidence = Evidence(
        (1, 1, 5), (0, 0, 0), (1, 1, 5), np.arange(5), np.arange(3)[:, None], probability
    )
    clean = clean_up(evidence, model, fast=False)
    # The fourth voxel is a second piece of label 2: what else was thought of it wins.
    np.testing.assert_array_equal(
        model.label_values[clean.best_channels()].ravel(), [2, 2, 24, 0, 24]
    )


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("anatomy", "kept"), [("brain", [2, 2, 0, 0]), ("abdomen", [2, 2, 0, 3])])
def test_organs_need_not_touch_and_a_brain_is_one_piece(
    anatomy: str, kept: list[int], fast: bool
) -> None:
    model = replace(model_of([0, 2, 3], [0, 1, 0]), info={"anatomy": anatomy})
    probability = np.array([[0.1] * 3, [0.9, 0.9, 0], [0, 0, 0.9]], np.float32)
    evidence = Evidence(
        (1, 1, 4), (0, 0, 0), (1, 1, 4), np.array([0, 1, 3]), np.arange(3)[:, None], probability
    )
    clean = clean_up(evidence, model, fast=fast)
    np.testing.assert_array_equal(model.label_values[clean.best_channels()].ravel(), kept)
