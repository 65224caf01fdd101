from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthseg_client.geometry.crop import Box, centred_box, cut_sides_touched, first_box, grown
from synthseg_client.geometry.grids import prepare
from synthseg_client.inputs.scans import read_scan
from synthseg_client.options import Crop


@pytest.mark.parametrize(
    "case", ["s1_las_1mm", "s2_pil_1x1x4", "s3_ras_4x1x1", "s4_oblique_int16", "s6_lia_int16"]
)
def test_explicit_crops_are_those_of_the_original(shared_data: Path, case: str) -> None:
    z = np.load(shared_data / "reference/preprocess" / f"{case}_crop64.npz")
    box = centred_box(z["shape_aligned"], (64, 64, 64))
    assert (*box.start, *box.stop) == tuple(z["crop_idx"])


@pytest.mark.parametrize(
    ("scan", "case"),
    [
        ("s1_las_1mm.nii.gz", "s1_las_1mm_crop64"),
        ("s2_pil_1x1x4.nii.gz", "s2_pil_1x1x4_crop64"),
        ("s4_oblique_int16.nii.gz", "s4_oblique_int16_crop64"),
        ("s6_lia_int16.mgz", "s6_lia_int16_crop64"),
        ("s8_lps_tol.nii.gz", "s8_lps_tol_crop64"),
    ],
)
def test_what_reaches_the_network_is_that_of_the_original(
    shared_data: Path, scan: str, case: str
) -> None:
    z = np.load(shared_data / "reference/preprocess" / f"{case}.npz")
    prepared = prepare(read_scan(shared_data / "reference/predict_v1/inputs" / scan))
    np.testing.assert_allclose(prepared.affine, z["aff"], atol=1e-6)
    box = first_box(prepared.ras, Crop.of_size([64]))
    image = prepared.ras[box.slices].astype(np.float64)
    low, high = np.percentile(image, [0.5, 99.5])
    rescaled = (np.clip(image, low, high) - low) / (high - low)
    padded = np.zeros(z["net_input"].shape[1:4])
    pad = z["pad_idx"]
    padded[tuple(slice(a, b) for a, b in zip(pad[:3], pad[3:], strict=True))] = rescaled
    np.testing.assert_allclose(padded, z["net_input"][0, ..., 0], atol=1e-4)


def test_without_a_crop_nothing_is_cut() -> None:
    volume = np.zeros((300, 20, 20), np.float32)
    assert first_box(volume, Crop.none()) == Box.whole(volume.shape)


def test_small_volumes_are_not_cut() -> None:
    volume = np.random.default_rng(0).random((192, 40, 192)).astype(np.float32)
    assert first_box(volume, Crop()) == Box.whole(volume.shape)


def test_the_default_box_lies_on_a_head_far_from_the_centre() -> None:
    volume = np.random.default_rng(0).random((256, 300, 280)).astype(np.float32)
    volume[80:230, 10:180, 150:275] += 50  # the head, high up and forward
    volume[100:200, 60:120, 0:150] += 40  # the neck
    box = first_box(volume, Crop())
    assert all(n <= 192 for n in box.shape)
    for axis, (low, high) in enumerate(((80, 230), (10, 180), (150, 275))):
        assert box.start[axis] <= low
        assert box.stop[axis] >= high


def test_a_volume_without_contrast_is_cut_in_its_middle() -> None:
    volume = np.zeros((256, 256, 256), np.float32)
    assert first_box(volume, Crop()) == centred_box(volume.shape, (192, 192, 192))


@pytest.mark.parametrize(
    ("scan", "labels"),
    [
        ("t1_wholehead_aseg/orig.mgz", "t1_wholehead_aseg/aparc+aseg.mgz"),
        ("t1_stripped_aseg/brain.mgz", "t1_stripped_aseg/aseg.mgz"),
    ],
)
def test_the_default_box_holds_the_whole_brain_of_real_scans(
    shared_data: Path, scan: str, labels: str
) -> None:
    volume = prepare(read_scan(shared_data / "scans" / scan)).ras
    brain = prepare(read_scan(shared_data / "scans" / labels)).ras > 0
    box = first_box(volume, Crop())
    inside = np.count_nonzero(brain[box.slices])
    assert inside == np.count_nonzero(brain)


def test_sides_count_only_where_voxels_were_cut() -> None:
    labels = np.zeros((10, 10, 10), int)
    labels[0, 5, 5] = labels[5, 9, 5] = labels[5, 5, 9] = 2
    box = Box((3, 0, 0), (13, 10, 10))
    assert cut_sides_touched(labels, box, (20, 10, 30)) == [(0, 0), (2, 1)]


def test_boxes_grow_at_the_sides_that_were_touched_up_to_what_there_is() -> None:
    box = grown(Box((40, 0, 10), (200, 10, 90)), [(0, 0), (2, 1), (2, 0)], (256, 10, 100), 32)
    assert box == Box((8, 0, 0), (200, 10, 100))
