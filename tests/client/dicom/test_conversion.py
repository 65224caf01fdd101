from __future__ import annotations

import subprocess
import tempfile
import zipfile
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
import pydicom.uid
import pytest
from dicom_files import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    Made,
    rewrite,
    write_magnitude_and_phase,
    write_multi_frame,
    write_series,
    write_single_frames,
)
from pydicom.dataset import Dataset
from scipy import ndimage
from synthseg_client.dicom.choice import find_series
from synthseg_client.dicom.conversion import read_series
from synthseg_client.errors import ScanError
from synthseg_client.inputs.scans import Scan

OBLIQUE = (0.9659258, 0.2588190, 0.0, -0.2241439, 0.8365163, 0.5)


def scan_of(source: Path) -> Scan:
    (series,) = find_series(source)
    return read_series(series)


def value_at(scan: Scan, lps: np.ndarray) -> float:
    voxel = np.linalg.inv(scan.affine) @ (-lps[0], -lps[1], lps[2], 1)
    return float(scan.image[tuple(np.rint(voxel[:3]).astype(int))])


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
@pytest.mark.parametrize("multi_frame", [False, True])
def test_every_pixel_lies_where_its_slice_says(
    tmp_path: Path, orientation: tuple[float, ...], multi_frame: bool
) -> None:
    made = Made(orientation=orientation)
    if multi_frame:
        write_multi_frame(tmp_path / "x", made)
    else:
        write_series(tmp_path / "x", made)
    scan = scan_of(tmp_path / "x")
    assert scan.path == tmp_path / "x"
    x, y = np.reshape(orientation, (2, 3))
    image = made.image()
    for index, row, column in np.random.default_rng(1).integers(0, (24, 36, 40), (50, 3)):
        lps = made.position(index) + x * 1.5 * column + y * 2 * row
        assert value_at(scan, lps) == image[index, row, column]


@pytest.mark.parametrize(
    "syntax",
    [
        pydicom.uid.ImplicitVRLittleEndian,
        pydicom.uid.DeflatedExplicitVRLittleEndian,
        pydicom.uid.RLELossless,
        pydicom.uid.JPEG2000Lossless,
        pydicom.uid.JPEGLSLossless,
    ],
)
def test_compressed_files_are_read(tmp_path: Path, syntax: pydicom.uid.UID) -> None:
    paths = write_series(tmp_path / "x")

    def pack(data: Dataset) -> None:
        if syntax.is_encapsulated:
            data.compress(syntax)
        data.file_meta.TransferSyntaxUID = syntax

    rewrite(paths, pack)
    plain = Made()
    scan = scan_of(tmp_path / "x")
    assert value_at(scan, plain.position(9)) == plain.image()[9, 0, 0]
    assert scan.image.sum() == plain.image().sum()


def test_files_without_a_preamble_are_read(tmp_path: Path) -> None:
    for path in write_series(tmp_path / "x"):
        data = pydicom.dcmread(path)
        bare = Dataset(data)
        pydicom.dcmwrite(path, bare, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    assert scan_of(tmp_path / "x").image.sum() == Made().image().sum()


def test_what_dcm2niix_does_not_read_is_refused_by_name(tmp_path: Path) -> None:
    def call_it_so(data: Dataset) -> None:
        data.compress(pydicom.uid.RLELossless)
        data.file_meta.TransferSyntaxUID = pydicom.uid.HTJ2KLossless

    rewrite(write_series(tmp_path / "x"), call_it_so)
    with pytest.raises(ScanError, match=r"High-Throughput JPEG 2000 .*gdcmconv --raw"):
        scan_of(tmp_path / "x")


def test_a_zip_is_read_as_its_folder(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in paths:
            packed.write(path, f"../../{path.name}")
    np.testing.assert_array_equal(scan_of(tmp_path / "x.zip").image, scan_of(tmp_path / "x").image)
    assert {path.name for path in tmp_path.iterdir()} == {"x", "x.zip"}


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    write_series(tmp_path / "x")
    scan_of(tmp_path / "x")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_tilted_gantry_is_straightened_as_dcm2niix_does(tmp_path: Path) -> None:
    made = Made(modality="CT", tilt_deg=18, shape=(40, 36, 24))
    write_series(tmp_path / "x", made)
    scan = scan_of(tmp_path / "x")
    assert any("tilted by 18.0 degrees" in note for note in scan.warnings)
    out = tmp_path / "out"
    out.mkdir()
    words = [dcm2niix.bin, "-g", "i", "-b", "n", "-z", "n", "-f", "s", "-o", str(out)]
    subprocess.run([*words, str(tmp_path / "x")], check=True, capture_output=True)
    theirs = nib.load(next(out.glob("*_Tilt*.nii")))
    assert isinstance(theirs, nib.Nifti1Image)
    to_theirs = np.linalg.inv(np.asarray(theirs.affine)) @ scan.affine
    moved = ndimage.affine_transform(
        theirs.get_fdata(),
        to_theirs[:3, :3],
        to_theirs[:3, 3],
        scan.image.shape,
        order=1,
        cval=-100,
    )
    inner = (slice(2, -2), slice(14, -14), slice(2, -2))
    assert np.corrcoef(moved[inner].ravel(), scan.image[inner].ravel())[0, 1] > 0.98


def test_magnitude_is_taken_of_a_file_with_phase(tmp_path: Path) -> None:
    made = Made(orientation=SAGITTAL)
    write_magnitude_and_phase(tmp_path / "x", made)
    (series,) = find_series(tmp_path / "x")
    assert series.notes == (
        "series 4 is mixed: 24 images of another direction, size, part or echo are left out",
    )
    assert value_at(read_series(series), made.position(9)) == made.image()[9, 0, 0]


def test_enhanced_files_of_one_slice_each_are_read(tmp_path: Path) -> None:
    write_single_frames(tmp_path / "x")
    assert scan_of(tmp_path / "x").image.sum() == Made().image().sum()


def test_one_missing_slice_is_bridged_and_told(tmp_path: Path) -> None:
    write_series(tmp_path / "x", Made(leave_out=(5,)))
    scan = scan_of(tmp_path / "x")
    assert scan.image.shape == (40, 36, 24)
    assert "some 6.00 mm, 1 may be missing" in " ".join(scan.warnings)


def test_a_hole_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "x", Made(leave_out=(5, 6, 7)))
    with pytest.raises(ScanError, match=r"x: slices are missing: 12\.0 mm lie between"):
        scan_of(tmp_path / "x")


def test_broken_pixels_are_told_with_the_converters_words(tmp_path: Path) -> None:
    for path in write_series(tmp_path / "x"):
        path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(ScanError, match=r"x: dcm2niix makes 0 volumes"):
        scan_of(tmp_path / "x")


def test_a_position_of_the_patient_changes_nothing_but_words(tmp_path: Path) -> None:
    for position in ("HFP", "FFS", "HFDR"):
        write_series(tmp_path / position, Made(fields={"PatientPosition": position}))
        scan = scan_of(tmp_path / position)
        assert value_at(scan, Made().position(9)) == Made().image()[9, 0, 0]
