from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from loading import load_image, load_nifti
from nibabel.spatialimages import SpatialImage
from synthseg_client import __version__
from synthseg_client.errors import OutputError
from synthseg_client.model import LabelTable
from synthseg_client.results.image_writing import (
    LabelMapMaking,
    write_image,
    write_labels,
    write_posteriors,
)
from synthseg_common.arrays import AnyArray
from synthseg_common.colours import FREESURFER_COLOURS
from synthseg_common.files import write_text
from synthseg_common.images import Placement
from two_readers import directions_by_itk, origin_by_itk

AFFINE = np.array([[0, 0, -1, 10.0], [-1, 0, 0, 20], [0, 1, 0, -5], [0, 0, 0, 1]])
PLACEMENT = Placement.of(AFFINE)
LABELS = np.random.default_rng(0).choice([0, 2, 24], (5, 6, 7)).astype(np.int32)
SUFFIXES = [".nii", ".nii.gz", ".mgz", ".mgh"]


def _made(values: Sequence[int] = (0, 2, 24)) -> LabelMapMaking:
    names = tuple(f"structure {v}" for v in values)
    return LabelMapMaking("synthseg:3", LabelTable(tuple(values), names))


def _load(path: Path) -> tuple[SpatialImage, AnyArray]:
    if path.suffix == ".mgh":
        with path.open("rb") as stream:
            holder = nib.fileholders.FileHolder(fileobj=stream)
            image = nib.MGHImage.from_file_map({"image": holder})
            return image, np.asarray(image.dataobj)
    image = load_image(path)
    return image, np.asarray(image.dataobj)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_come_back_with_their_grid(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write_labels(path, LABELS, PLACEMENT, _made())
    image, values = _load(path)
    np.testing.assert_array_equal(values, LABELS)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    assert image.get_data_dtype() == np.uint8


def test_npz_holds_labels_and_affine(tmp_path: Path) -> None:
    write_labels(tmp_path / "x.npz", LABELS, PLACEMENT, _made())
    with np.load(tmp_path / "x.npz") as arrays:
        np.testing.assert_array_equal(arrays["vol_data"], LABELS)
        np.testing.assert_array_equal(arrays["affine"], AFFINE)


def test_a_label_map_says_that_it_is_one_and_who_made_it(tmp_path: Path) -> None:
    write_labels(tmp_path / "x.nii.gz", LABELS, Placement.of(AFFINE, 4), _made())
    header = load_nifti(tmp_path / "x.nii.gz").header
    assert header.get_intent()[0] == "label"
    assert header["descrip"].item().decode() == f"SynthSeg {__version__} synthseg:3"
    assert header.get_xyzt_units() == ("mm", "sec")
    assert (header["sform_code"], header["qform_code"]) == (4, 4)
    np.testing.assert_allclose(header.get_qform(), AFFINE, atol=1e-5)


def test_a_sheared_grid_has_the_nearest_qform_for_readers_that_refuse_shear(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.3
    write_labels(tmp_path / "x.nii.gz", LABELS, Placement.of(sheared), _made())
    header = load_nifti(tmp_path / "x.nii.gz").header
    assert (header["sform_code"], header["qform_code"]) == (1, 1)
    np.testing.assert_allclose(header.get_sform(), sheared, atol=1e-6)
    np.testing.assert_allclose(header.get_zooms(), np.linalg.norm(sheared[:3, :3], axis=0))
    path = tmp_path / "x.nii.gz"
    np.testing.assert_allclose(origin_by_itk(path), sheared[:3, 3] * [-1, -1, 1], atol=1e-5)
    directions = directions_by_itk(path) * [[-1], [-1], [1]]
    assert np.abs(directions - sheared[:3, :3]).max() < 0.2  # of the shear of 0.3


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_wide_labels_and_intensities_come_back(tmp_path: Path, suffix: str) -> None:
    wide = LABELS * 85
    write_labels(tmp_path / f"x{suffix}", wide, PLACEMENT, _made((0, 170, 2040)))
    np.testing.assert_array_equal(_load(tmp_path / f"x{suffix}")[1], wide)
    image = np.random.default_rng(1).random((5, 6, 7)).astype(np.float32)
    write_image(tmp_path / f"y{suffix}", image, PLACEMENT)
    np.testing.assert_array_equal(_load(tmp_path / f"y{suffix}")[1], image)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_posteriors_are_written_channel_by_channel(tmp_path: Path, suffix: str) -> None:
    posteriors = np.random.default_rng(1).random((5, 6, 7, 3)).astype(np.float32)
    asked = []

    def channel(index: int) -> AnyArray:
        asked.append(index)
        return posteriors[..., index]

    write_posteriors(tmp_path / f"x{suffix}", channel, 3, PLACEMENT)
    assert asked == [0, 1, 2]
    image, values = _load(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(values, posteriors)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)


def test_equal_results_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        write_labels(tmp_path / name, LABELS, PLACEMENT, _made())
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def _read_colour_table(path: Path) -> dict[int, tuple[str, tuple[int, ...]]]:
    """The colour table of an MGH file, read as FreeSurfer's own readers do."""
    raw = gzip.decompress(path.read_bytes())
    rest = memoryview(raw)[284 + LABELS.size + 20 :]  # header, one byte a voxel, scan parameters

    def integer() -> int:
        nonlocal rest
        (value,), rest = struct.unpack(">i", rest[:4]), rest[4:]
        return int(value)

    def text() -> str:
        nonlocal rest
        size = integer()
        value, rest = bytes(rest[:size]), rest[size:]
        assert value.endswith(b"\0")
        return value[:-1].decode()

    assert integer() == 1  # TAG_OLD_COLORTABLE
    assert integer() == -2  # version
    largest = integer()
    text()
    table = {}
    for _ in range(integer()):
        value = integer()
        table[value] = (text(), tuple(integer() for _ in range(4)))
    assert largest == max(table) + 1
    assert len(rest) == 0
    return table


def test_an_mgz_carries_its_colour_table(tmp_path: Path) -> None:
    write_labels(tmp_path / "x.mgz", LABELS, PLACEMENT, _made())
    assert _read_colour_table(tmp_path / "x.mgz") == {
        0: ("structure-0", (0, 0, 0, 0)),
        2: ("structure-2", (*FREESURFER_COLOURS[2], 0)),
        24: ("structure-24", (*FREESURFER_COLOURS[24], 0)),
    }


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="ends in"):
        write_labels(tmp_path / "x.img", LABELS, PLACEMENT, _made())


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    write_labels(tmp_path / "x.nii", LABELS, PLACEMENT, _made())
    before = (tmp_path / "x.nii").read_bytes()

    def broken(index: int) -> AnyArray:
        if index:
            raise OSError(28, "No space left on device")
        return np.zeros((5, 6, 7), np.float32)

    with pytest.raises(OutputError, match="the disk is full"):
        write_posteriors(tmp_path / "x.nii", broken, 2, PLACEMENT)
    assert (tmp_path / "x.nii").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.nii"]


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"v\.csv: cannot be written"):
        write_text(tmp_path / "file/v.csv", "")
