import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nifti_files import save_volume
from numpy.typing import DTypeLike
from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.evaluation.image_files import (
    ImageFileError,
    PlacedImage,
    find_images,
    label_on_grid,
    read_image,
    read_labels,
)


@pytest.fixture
def labels() -> LabelArray:
    volume = np.zeros((12, 14, 16), np.int32)
    volume[2:6, 3:11, 4:12] = 3
    return volume


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz"])
def test_labels_come_back_from_every_format(tmp_path: Path, labels: LabelArray, name: str) -> None:
    path = save_volume(tmp_path / name, labels, dtype=np.int32)
    np.testing.assert_array_equal(read_labels(path).values, labels)


def test_turned_to_ras_a_volume_still_lies_where_it_did(tmp_path: Path, labels: LabelArray) -> None:
    affine = np.array([[0, 0, -1, 9], [-1.0, 0, 0, 4], [0, 2, 0, 7], [0, 0, 0, 1]])
    volume = read_labels(save_volume(tmp_path / "a.nii", labels, affine))
    turned = volume.to_ras()
    assert nib.aff2axcodes(turned.affine) == ("R", "A", "S")
    for here, there in ((volume, turned), (turned, volume)):
        place = here.affine @ [*np.argwhere(here.values == 3)[0], 1]
        index = np.rint(np.linalg.inv(there.affine) @ place).astype(int)[:3]
        assert there.values[tuple(index)] == 3


def test_parcels_count_as_cortex_when_asked(tmp_path: Path, labels: LabelArray) -> None:
    path = save_volume(tmp_path / "a.nii", np.where(labels == 3, 1005, 2035))
    assert set(np.unique(read_labels(path, merge_parcels=True).values)) == {3, 42}


def test_what_is_no_label_map_is_refused_by_name(tmp_path: Path, labels: LabelArray) -> None:
    with pytest.raises(ImageFileError, match=r"none\.nii: no such file"):
        read_labels(tmp_path / "none.nii")
    broken = tmp_path / "broken.nii.gz"
    broken.write_text("text")
    with pytest.raises(ImageFileError, match=r"broken\.nii\.gz: is text"):
        read_labels(broken)
    scan = save_volume(tmp_path / "scan.nii", labels * 0.3, dtype=np.float32)
    with pytest.raises(
        ImageFileError, match=r"scan\.nii is no label map: .* no 32-bit integers, such as 0\.9"
    ):
        read_labels(scan)
    series = save_volume(tmp_path / "series.nii", np.stack([labels] * 2, axis=-1))
    with pytest.raises(
        ImageFileError, match=r"series\.nii has shape .* expected a label map of three"
    ):
        read_labels(series)


@pytest.mark.parametrize(
    ("value", "dtype", "named"),
    [
        (np.nan, np.float32, "nan"),
        (-np.inf, np.float32, "-inf"),
        (1e20, np.float32, r"1e\+20"),
        (2**31 + 5, np.uint32, r"2\.14748e\+09"),
    ],
)
def test_values_that_no_label_can_have_are_named(
    tmp_path: Path, labels: LabelArray, value: float, dtype: DTypeLike, named: str
) -> None:
    values = labels.astype(dtype)
    values[1, 2, 3] = value
    with pytest.raises(ImageFileError, match=rf"a\.nii is no label map: .* such as {named}\."):
        read_labels(save_volume(tmp_path / "a.nii", values, dtype=dtype))


@pytest.mark.parametrize("read", [read_labels, read_image])
def test_colours_and_complex_numbers_are_refused(
    tmp_path: Path, read: Callable[[Path], PlacedImage]
) -> None:
    colours = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for values in (colours, np.zeros((4, 5, 6), np.complex64)):
        nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
        with pytest.raises(ImageFileError, match=r"a\.nii holds .* voxels, expected real numbers"):
            read(tmp_path / "a.nii")


def test_a_compressed_file_with_a_changed_byte_is_refused(
    tmp_path: Path, labels: LabelArray
) -> None:
    path = save_volume(tmp_path / "a.nii.gz", labels)
    stored = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0))
    stored[2000] ^= 1
    path.write_bytes(stored)
    with pytest.raises(ImageFileError, match=r"a\.nii\.gz: damaged"):
        read_labels(path)


def test_thick_slices_reach_to_their_edges_on_a_finer_grid() -> None:
    thick = PlacedImage(np.ones((6, 6, 6), np.int32), np.diag([1.0, 1, 5, 1]))
    affine = np.eye(4)
    affine[2, 3] = -2  # the same box: slices from -2.5 to 27.5 mm
    fine = label_on_grid(thick, (6, 6, 32), affine)
    np.testing.assert_array_equal(fine[..., :30], 1)
    np.testing.assert_array_equal(fine[..., 30:], 0)


@pytest.mark.parametrize("shift_mm", [0.002, -0.002, 0.4, -0.4])
def test_a_grid_beside_by_less_than_half_a_voxel_shows_the_same_labels(
    labels: LabelArray, shift_mm: float
) -> None:
    full = PlacedImage(labels + 1, np.eye(4))
    beside = np.eye(4)
    beside[:3, 3] = shift_mm
    np.testing.assert_array_equal(label_on_grid(full, labels.shape, beside), full.values)


def test_of_a_scan_of_many_volumes_the_first_counts_and_no_voxel_is_nan(tmp_path: Path) -> None:
    values = np.stack([np.full((4, 5, 6), v, np.float32) for v in (1, 2)], axis=-1)
    values[0, 0, 0, 0] = np.nan
    image = read_image(save_volume(tmp_path / "a.nii.gz", values, dtype=np.float32)).values
    assert image.shape == (4, 5, 6)
    assert (image[0, 0, 0], image[1, 1, 1]) == (0, 1)


def test_names_leave_endings_and_the_client_s_suffix_aside(
    tmp_path: Path, labels: LabelArray
) -> None:
    for name in ("one_synthseg.nii.gz", "two.mgz", ".hidden.nii", "._one.nii.gz"):
        save_volume(tmp_path / name, labels, dtype=np.int32) if name[0] != "." else (
            tmp_path / name
        ).write_text("junk")
    for name in ("notes.txt", "volumes.csv", "settings.json"):
        (tmp_path / name).write_text("text")
    (tmp_path / "folder.nii").mkdir()
    assert list(find_images(tmp_path)) == ["one", "two"]


def test_two_files_of_one_scan_are_refused(tmp_path: Path, labels: LabelArray) -> None:
    for name in ("one.nii", "one.nii.gz"):
        save_volume(tmp_path / name, labels)
    with pytest.raises(ImageFileError, match=r"one\.nii and one\.nii\.gz both belong to one"):
        find_images(tmp_path)
