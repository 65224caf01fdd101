from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from raw_images import LABELS, mgh, nifti
from synthseg_common.errors import ImageError
from synthseg_common.images import read_header, read_values, read_volumes
from synthseg_common.memory import MemoryLimit


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("scan.nii", gzip.compress(nifti()), "is compressed, though"),
        ("scan.nii.gz", nifti(), "is not compressed, though"),
        ("scan.mgh", gzip.compress(mgh()), "is compressed, though"),
        ("scan.mgz", mgh(), "is not compressed, though"),
    ],
)
def test_a_name_that_is_wrong_about_compression_is_a_warning(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    header = read_header(tmp_path / name)
    np.testing.assert_array_equal(read_values(header), LABELS)
    assert any(words in note for note in header.notes)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("scan.nii", mgh(), "is an MGH image: its name must end in .mgh or .mgz"),
        ("scan.mgz", gzip.compress(nifti()), "is a NIfTI image: its name must end in .nii"),
    ],
)
def test_a_name_of_the_other_format_is_refused_with_the_right_one(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=words):
        read_header(tmp_path / name)


def test_half_a_pair_is_told(tmp_path: Path) -> None:
    (tmp_path / "scan.img").write_bytes(LABELS.tobytes())
    with pytest.raises(ImageError, match=r"its other half, scan\.hdr, is not there"):
        read_header(Path(tmp_path / "scan.img"))


def test_volumes_come_one_after_the_other(tmp_path: Path) -> None:
    values = np.arange(4 * 5 * 6 * 3, dtype=np.float32).reshape(4, 5, 6, 3)
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "x.nii.gz")
    header = read_header(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(np.stack([*read_volumes(header)], axis=-1), values)
    np.testing.assert_array_equal(read_values(header, first_only=True), values[..., 0])


def test_what_memory_cannot_hold_is_refused_before_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(nifti()))
    limit = MemoryLimit(LABELS.size * 5, "a test's limit")
    monkeypatch.setattr("synthseg_common.images.reading.memory_limit", lambda: limit)
    with pytest.raises(ImageError, match=r"scan\.nii\.gz: its .* voxels take .*\(a test's limit\)"):
        read_values(read_header(path))
