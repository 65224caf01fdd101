from __future__ import annotations

import gc
import gzip
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from loading import load_image, load_nifti
from nibabel.spatialimages import SpatialImage
from synthseg_client.errors import ScanError
from synthseg_client.inputs.scans import read_scan
from synthseg_common.arrays import AnyArray, Float64Array

RNG = np.random.default_rng(0)
VOLUME = RNG.integers(0, 200, (12, 14, 16)).astype(np.int16)
AFFINE = np.array([[-1.0, 0, 0, 5], [0, 0, 2, -7], [0, 1.5, 0, 9], [0, 0, 0, 1]])


def _save(path: Path, data: AnyArray = VOLUME, affine: Float64Array = AFFINE) -> Path:
    kinds = {".nii": nib.Nifti1Image, ".gz": nib.Nifti1Image, ".mgz": nib.MGHImage}
    kinds |= {".mgh": nib.MGHImage, ".img": nib.AnalyzeImage}
    nib.save(kinds[path.suffix](data, affine), path)
    return path


def _refused(path: Path, words: str) -> None:
    with pytest.raises(ScanError, match=words) as caught:
        read_scan(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert said.count(f"{path}: ") == 1
    assert "\n" not in said
    assert ".." not in said


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.mgz", "scan.mgh"])
def test_a_scan_comes_with_its_values_and_affine(tmp_path: Path, name: str) -> None:
    scan = read_scan(_save(tmp_path / name))
    np.testing.assert_array_equal(scan.image, VOLUME)
    np.testing.assert_allclose(scan.affine, AFFINE, atol=1e-6)
    assert scan.image.dtype == np.float32
    assert not scan.warnings


@pytest.mark.parametrize("name", ["S.NII", "S.NII.GZ", "S.MGZ", "S.MGH", "S.NPZ", "S.IMG"])
def test_a_scan_may_be_named_in_capitals(tmp_path: Path, name: str) -> None:
    blank, scan = np.zeros_like(VOLUME), tmp_path / name
    blank[0, 0, 0] = 1  # packs so well that its file is smaller than its values
    if name == "S.NPZ":
        np.savez(tmp_path / "s.npz", vol_data=blank)
    else:
        _save(tmp_path / name.lower(), blank, affine=np.diag([-1.0, 1, 1, 1]))
    for written in list(tmp_path.glob("s.*")):
        written.rename(written.with_name(written.name.upper()))
    np.testing.assert_array_equal(read_scan(scan).image, blank)


def test_scaled_integers_are_unscaled(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOLUME, AFFINE)
    image.header.set_slope_inter(2, 10)
    nib.save(image, tmp_path / "scan.nii.gz")
    stored = load_nifti(tmp_path / "scan.nii.gz").get_fdata()
    np.testing.assert_allclose(read_scan(tmp_path / "scan.nii.gz").image, stored)


def test_npz_is_read_with_and_without_affine(tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", vol_data=VOLUME)
    np.savez(tmp_path / "placed.npz", vol_data=VOLUME, affine=AFFINE)
    np.testing.assert_array_equal(read_scan(tmp_path / "plain.npz").affine, np.eye(4))
    np.testing.assert_array_equal(read_scan(tmp_path / "placed.npz").affine, AFFINE)


def test_analyze_is_read_with_a_warning_about_sides(tmp_path: Path) -> None:
    scan = read_scan(_save(tmp_path / "scan.img", affine=np.diag([-1.0, 1, 1, 1])))
    np.testing.assert_array_equal(scan.image, VOLUME)
    assert any("left and right" in w for w in scan.warnings)


def test_four_to_ten_slices_are_enough(tmp_path: Path) -> None:
    assert read_scan(_save(tmp_path / "thin.nii.gz", VOLUME[..., :4])).image.shape == (12, 14, 4)


def test_a_single_volume_in_four_dimensions_is_a_volume(tmp_path: Path) -> None:
    scan = read_scan(_save(tmp_path / "four.nii.gz", VOLUME[..., None]))
    assert scan.image.shape == VOLUME.shape
    assert not scan.warnings


def test_of_many_volumes_the_first_is_used_and_said_so(tmp_path: Path) -> None:
    many = np.stack([VOLUME, VOLUME + 1, VOLUME + 2], axis=-1)
    scan = read_scan(_save(tmp_path / "many.nii.gz", many))
    np.testing.assert_array_equal(scan.image, VOLUME)
    assert scan.warnings == ("holds 3 volumes: used the first",)


def test_of_few_volumes_the_average_is_taken_where_it_is_wanted(tmp_path: Path) -> None:
    volumes = np.random.default_rng(0).integers(0, 255, (6, 6, 6, 3)).astype(np.uint8)
    nib.save(nib.Nifti1Image(volumes, np.eye(4)), tmp_path / "x.nii.gz")
    scan = read_scan(tmp_path / "x.nii.gz", average_volumes=3)
    np.testing.assert_allclose(scan.image, volumes.mean(axis=-1), rtol=1e-6)
    assert scan.warnings == ("holds 3 volumes: used their average",)
    scan = read_scan(tmp_path / "x.nii.gz", average_volumes=2)
    np.testing.assert_array_equal(scan.image, volumes[..., 0])


def test_voxels_that_are_no_numbers_become_zero_and_it_is_said(tmp_path: Path) -> None:
    data = VOLUME.astype(np.float32)
    data[0, 0, 0], data[1, 1, 1] = np.nan, np.inf
    scan = read_scan(_save(tmp_path / "nan.nii.gz", data))
    assert np.isfinite(scan.image).all()
    assert "2 voxels" in scan.warnings[0]


def test_forms_that_disagree_are_told(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOLUME, AFFINE)
    image.set_sform(AFFINE, 1)
    other = AFFINE.copy()
    other[:3, 3] += 20
    image.set_qform(other, 1)
    nib.save(image, tmp_path / "scan.nii")
    scan = read_scan(tmp_path / "scan.nii")
    np.testing.assert_allclose(scan.affine, AFFINE, atol=1e-5)
    assert any("disagree" in w for w in scan.warnings)


def _with_pixdim(path: Path, values: Sequence[int], sform_code: int) -> Path:
    image = nib.Nifti1Image(VOLUME, AFFINE)
    image.set_sform(AFFINE, sform_code)
    image.set_qform(None, 0)
    nib.save(image, path)
    raw = bytearray(path.read_bytes())
    raw[80:92] = np.array(values, "<f4").tobytes()
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("values", [(0, 1, 1), (-1, 2, 1.5), (np.nan, 1, 1)])
def test_impossible_voxel_sizes_are_refused_unless_the_sform_says_better(
    tmp_path: Path, values: Sequence[int]
) -> None:
    told = read_scan(_with_pixdim(tmp_path / "told.nii", values, sform_code=1))
    np.testing.assert_allclose(told.affine, AFFINE, atol=1e-6)
    assert any("impossible" in w for w in told.warnings)
    _refused(_with_pixdim(tmp_path / "lost.nii", values, sform_code=0), "impossible")


@pytest.mark.parametrize("size", [0.0, np.nan])
def test_impossible_voxel_sizes_of_mgh_files_are_refused(tmp_path: Path, size: float) -> None:
    path = _save(tmp_path / "x.mgh")
    raw = bytearray(path.read_bytes())
    raw[30:34] = np.array(size, ">f4").tobytes()
    path.write_bytes(raw)
    _refused(path, ".")


def test_a_header_that_contradicts_its_affine_is_told(tmp_path: Path) -> None:
    scan = read_scan(_with_pixdim(tmp_path / "scan.nii", (1, 1, 1), sform_code=1))
    assert any("used the affine" in w for w in scan.warnings)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path / "nothing.nii.gz", "no such file")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.nii").mkdir()
    _refused(tmp_path / "x.nii", "folder")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.nii.gz").touch()
    _refused(tmp_path / "x.nii.gz", "is empty")


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    for name in ("x.nii.gz", "x.nii", "x.mgz"):
        path = _save(tmp_path / name)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        _refused(path, "cut off|broken|cannot be read|Expected")


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.mgz", "x.mgh", "x.npz", "x.img"])
def test_text_under_the_name_of_a_scan_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("This is no scan. " * 40)
    _refused(tmp_path / name, ".")


@pytest.mark.parametrize("name", ["x.nii.gz", "x.mgz", "many.nii.gz", "x.img.gz"])
def test_a_compressed_file_with_a_changed_byte_is_refused(tmp_path: Path, name: str) -> None:
    data = np.stack([VOLUME] * 3, axis=-1) if name == "many.nii.gz" else VOLUME
    kind = {"x.mgz": nib.MGHImage, "x.img.gz": nib.Nifti1Pair}.get(name, nib.Nifti1Image)
    nib.save(kind(data, AFFINE), tmp_path / name)
    whole = gzip.decompress((tmp_path / name).read_bytes())
    stored = bytearray(gzip.compress(whole, compresslevel=0))  # so that it still decompresses
    stored[-100] ^= 1
    (tmp_path / name).write_bytes(stored)
    _refused(tmp_path / name, "damaged|broken or cut off")


@pytest.mark.parametrize("kind", [nib.AnalyzeImage, nib.Spm99AnalyzeImage, nib.Nifti1Pair])
def test_a_compressed_pair_is_read_with_or_without_a_matrix_beside_it(
    tmp_path: Path, kind: type[SpatialImage]
) -> None:
    nib.save(kind(VOLUME, np.diag([1.0, 2, 3, 1])), tmp_path / "x.img.gz")
    expected = load_image(tmp_path / "x.img.gz").affine
    scan = read_scan(tmp_path / "x.img.gz")
    assert (scan.image == VOLUME).all()
    np.testing.assert_array_equal(scan.affine, expected)


def test_what_follows_a_whole_gzip_stream_is_passed_over(tmp_path: Path) -> None:
    volume = np.tile(VOLUME, (6, 6, 6))  # more than a buffer
    path = _save(tmp_path / "x.nii.gz", volume)
    path.write_bytes(path.read_bytes() + b"more")
    assert (read_scan(path).image == volume).all()


def test_an_array_under_the_name_of_an_archive_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VOLUME)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    _refused(tmp_path / "x.npz", "single NumPy array")


def test_gzipped_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(b"This is no scan. " * 40))
    _refused(tmp_path / "x.nii.gz", ".")


def test_a_wrong_magic_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "x.nii")
    raw = bytearray(path.read_bytes())
    raw[344:348] = b"xxxx"
    path.write_bytes(raw)
    _refused(path, ".")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(b"123")
    _refused(tmp_path / "x.dcm", "not a scan by its name")


def test_a_file_without_permission_is_refused(
    as_nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = _save(Path(folder) / "x.nii.gz")
        path.chmod(0)
        Path(folder).chmod(0o755)
        with as_nobody():
            _refused(path, "permission")


@pytest.mark.parametrize("shape", [(12, 14), (12, 14, 1)])
def test_a_flat_image_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    _refused(_save(tmp_path / "x.nii.gz", VOLUME[..., 0].reshape(shape)), "three dimensions")


def test_fewer_than_four_slices_are_refused(tmp_path: Path) -> None:
    _refused(_save(tmp_path / "x.nii.gz", VOLUME[:, :3]), "only 3 slices")


def test_colours_are_refused(tmp_path: Path) -> None:
    rgb = np.zeros((5, 6, 7), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(rgb, AFFINE), tmp_path / "x.nii.gz")
    _refused(tmp_path / "x.nii.gz", "RGB")


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    _refused(_save(tmp_path / "x.nii.gz", VOLUME.astype(np.complex64)), "complex")


def test_a_singular_affine_is_refused(tmp_path: Path) -> None:
    affine = AFFINE.copy()
    affine[:3, 1] = affine[:3, 0]
    image = nib.Nifti1Image(VOLUME, None)
    image.header.set_sform(affine, 1)
    nib.save(image, tmp_path / "x.nii.gz")
    _refused(tmp_path / "x.nii.gz", "singular")


def test_an_affine_of_no_numbers_is_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOLUME, None)
    affine = AFFINE.copy()
    affine[0, 0] = np.nan
    image.header.set_sform(affine, 1)
    nib.save(image, tmp_path / "x.nii.gz")
    _refused(tmp_path / "x.nii.gz", "not finite")


def test_a_constant_image_is_refused(tmp_path: Path) -> None:
    _refused(_save(tmp_path / "x.nii.gz", np.full((9, 9, 9), 7, np.int16)), "every voxel")


def test_an_image_without_any_number_is_refused(tmp_path: Path) -> None:
    _refused(_save(tmp_path / "x.nii.gz", np.full((9, 9, 9), np.nan, np.float32)), "no finite")


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_a_huge_header_without_data_is_refused_before_memory_is_taken(
    tmp_path: Path, name: str
) -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((1000, 1000, 1000))
    header.set_data_dtype(np.float32)
    header.set_sform(np.eye(4), 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    raw = header.binaryblock + b"\0" * 100
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    _refused(tmp_path / name, "promises 1000x1000x1000")


def test_npz_scans_are_read_by_several_threads(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", vol_data=VOLUME)

    def read_some(
        depth: int,
    ) -> list[AnyArray]:  # the fault shows where threads differ in the depth of their stacks
        if depth:
            return read_some(depth - 1)
        return [read_scan(tmp_path / "x.npz").image for _ in range(50)]

    def give_way(*_: object) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(3) as pool:
            images = [image for some in pool.map(read_some, (0, 4, 8)) for image in some]
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(give_way)
    assert len(images) == 150
    assert all((image == VOLUME).all() for image in images)


def test_an_npz_without_the_image_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", other=VOLUME)
    _refused(tmp_path / "x.npz", "vol_data")
