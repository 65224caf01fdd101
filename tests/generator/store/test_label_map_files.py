"""Label maps from files."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from generator_fixtures import MakeHead, WriteMap
from numpy.typing import DTypeLike
from synthseg_common.labels import GenerationLabels
from synthseg_generator.errors import LabelError
from synthseg_generator.label_table import LABEL_TABLES, LabelTable
from synthseg_generator.store.label_map_files import (
    find_structures_centre,
    read_headers,
    read_label_map,
)

TABLE = LABEL_TABLES["v2"]
VALUES = np.array(TABLE.labels.values)


@pytest.mark.parametrize("axes", ["RAS", "LIA", "PSR", "ASL", "IPR"])
@pytest.mark.parametrize("extension", [".nii.gz", ".mgz"])
def test_any_orientation_gives_the_same_ids(
    tmp_path: Path,
    make_head: MakeHead,
    write_map: WriteMap,
    axes: str,
    extension: str,
) -> None:
    head = make_head((20, 24, 22))
    ids, affine = read_label_map(write_map(tmp_path / f"map{extension}", head, axes), TABLE)
    np.testing.assert_array_equal(VALUES[ids], head)
    np.testing.assert_allclose(affine, np.eye(4), atol=1e-5)
    assert ids.dtype == np.uint8
    assert ids.flags.c_contiguous


def test_shape_and_voxel_size_in_the_header_are_those_after_alignment(tmp_path: Path) -> None:
    affine = np.array([[0, 0, -3, 0], [1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), affine), tmp_path / "map.nii")
    (source,) = read_headers(tmp_path)
    assert source.shape == (6, 4, 5)
    assert source.voxel_size_mm == (3.0, 1.0, 2.0)


def test_whole_numbers_stored_as_floats_are_labels(
    tmp_path: Path, make_head: MakeHead, write_map: WriteMap
) -> None:
    head = make_head((12, 12, 12))
    ids, _ = read_label_map(write_map(tmp_path / "map.nii.gz", head.astype(np.float32)), TABLE)
    np.testing.assert_array_equal(VALUES[ids], head)


def test_a_fourth_axis_of_one_volume_is_dropped(tmp_path: Path, make_head: MakeHead) -> None:
    head = make_head((12, 12, 12))
    nib.save(nib.Nifti1Image(head[..., None], np.eye(4)), tmp_path / "map.nii.gz")
    assert read_headers(tmp_path)[0].shape == (12, 12, 12)
    ids, _ = read_label_map(tmp_path / "map.nii.gz", TABLE)
    np.testing.assert_array_equal(VALUES[ids], head)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 8, 2)])
def test_other_dimensions_are_refused_by_name(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), tmp_path / "flat.nii")
    with pytest.raises(LabelError, match=r"flat\.nii has shape .*three dimensions"):
        read_headers(tmp_path)


def test_values_between_integers_are_refused(tmp_path: Path) -> None:
    image = np.full((4, 4, 4), 2.5, np.float32)
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "scan.nii")
    with pytest.raises(LabelError, match=r"scan\.nii is no label map.*2\.5"):
        read_label_map(tmp_path / "scan.nii", TABLE)


@pytest.mark.parametrize(("value", "kind"), [(999, np.int32), (-1, np.int16), (6, np.uint8)])
def test_an_unknown_label_is_named_with_its_file(
    tmp_path: Path, value: int, kind: DTypeLike
) -> None:
    labels = np.zeros((4, 4, 4), kind)
    labels[0, 0, 0] = value
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "odd.nii")
    with pytest.raises(LabelError, match=rf"odd\.nii holds labels .*know: {value}\."):
        read_label_map(tmp_path / "odd.nii", TABLE)


def test_a_text_file_that_calls_itself_nifti_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.nii.gz").write_text("hello")
    with pytest.raises(LabelError, match=r"text\.nii\.gz: is text"):
        read_headers(tmp_path)


def test_a_file_that_ends_early_is_refused(
    tmp_path: Path, make_head: MakeHead, write_map: WriteMap
) -> None:
    whole = write_map(tmp_path / "map.nii", make_head((16, 16, 16))).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(gzip.compress(whole)[:600])
    with pytest.raises(LabelError, match=r"cut\.nii\.gz: cut off"):
        read_label_map(tmp_path / "cut.nii.gz", TABLE)


@pytest.mark.parametrize("name", ["map.nii.gz", "map.mgz"])
def test_a_compressed_file_with_a_changed_byte_is_refused(
    tmp_path: Path, make_head: MakeHead, write_map: WriteMap, name: str
) -> None:
    whole = gzip.decompress(write_map(tmp_path / name, make_head((16, 16, 16))).read_bytes())
    stored = bytearray(gzip.compress(whole, compresslevel=0))  # so that it still decompresses
    stored[2000] ^= 1
    (tmp_path / name).write_bytes(stored)
    with pytest.raises(LabelError, match=rf"{name}: damaged"):
        read_label_map(tmp_path / name, TABLE)


def test_what_follows_a_whole_gzip_stream_is_passed_over(
    tmp_path: Path, make_head: MakeHead, write_map: WriteMap
) -> None:
    head = make_head((64, 64, 64))  # more than a buffer
    path = write_map(tmp_path / "map.nii.gz", head)
    path.write_bytes(path.read_bytes() + b"more")
    np.testing.assert_array_equal(VALUES[read_label_map(path, TABLE)[0]], head)


def test_more_than_256_labels_need_two_bytes(tmp_path: Path) -> None:
    values = tuple(range(300))
    table = LabelTable(GenerationLabels(values, 300, values, values))
    labels = np.arange(300, dtype=np.int16).reshape(3, 10, 10)
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "many.nii")
    ids, _ = read_label_map(tmp_path / "many.nii", table)
    assert ids.dtype == np.uint16
    np.testing.assert_array_equal(ids, labels)


def test_the_centre_is_the_mean_place_of_what_the_network_shall_find() -> None:
    ids = np.zeros((6, 6, 6), np.uint8)
    ids[0, 0, 0] = TABLE.labels.values.index(516)  # target 0: does not count
    ids[2, 3, 4] = ids[4, 3, 4] = TABLE.labels.values.index(16)
    assert find_structures_centre(ids, TABLE) == [3.0, 3.0, 4.0]
    assert find_structures_centre(np.zeros((2, 2, 2), np.uint8), TABLE) is None
