"""Compressed files: read to the end, as one or several streams."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from raw_images import LABELS, nifti
from synthseg_common.errors import ImageError
from synthseg_common.images import read_header, read_values, read_volumes


def test_several_streams_in_one_file_are_one_content(tmp_path: Path) -> None:
    content = nifti()
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(
        b"".join(gzip.compress(content[i : i + 99]) for i in range(0, len(content), 99))
    )
    np.testing.assert_array_equal(read_values(read_header(path)), LABELS)


def test_a_stream_may_begin_anywhere_in_the_blocks_that_are_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (80, 80, 80), np.uint8)
    content, block = nifti(values=values), 1 << 18
    # Stored as it is, the first stream ends one byte before a block does.
    first = next(
        packed
        for size in range(block - 60, block)
        if len(packed := gzip.compress(content[:size], 0)) == block - 1
    )
    size = int.from_bytes(first[-4:], "little")
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(first + gzip.compress(content[size:]))
    np.testing.assert_array_equal(read_values(read_header(path)), values)


def test_zeros_between_streams_are_passed_over_as_gzip_itself_does(tmp_path: Path) -> None:
    content = nifti()
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(content[:400]) + b"\0" * 512 + gzip.compress(content[400:]))
    np.testing.assert_array_equal(read_values(read_header(path)), LABELS)


@pytest.mark.parametrize("garbage", [b"\0" * 512, b"something else"])
def test_what_follows_the_last_stream_is_passed_over(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(nifti()) + garbage)
    np.testing.assert_array_equal(read_values(read_header(path)), LABELS)


def test_a_changed_byte_anywhere_is_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 9, (12, 14, 16), np.int16)
    path, content = tmp_path / "scan.nii.gz", gzip.compress(nifti(values=values))
    assert len(content) > 1000
    for position in range(10, len(content) - 9, 37):
        broken = bytearray(content)
        broken[position] ^= 4
        path.write_bytes(broken)
        with pytest.raises(ImageError, match=str(path)):
            read_values(read_header(path))


@pytest.mark.parametrize("kept", [5, 30, 100, -3])
def test_a_cut_off_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(nifti())[:kept])
    with pytest.raises(ImageError, match=str(path)):
        read_values(read_header(path))


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_volumes_come_one_after_the_other(tmp_path: Path, name: str) -> None:
    values = np.stack([LABELS, LABELS * 2, LABELS + 1], axis=-1)
    content = nifti(values=values)
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    header = read_header(path)
    for index, volume in enumerate(read_volumes(header)):
        np.testing.assert_array_equal(volume, values[..., index])
    np.testing.assert_array_equal(read_values(header, first_only=True), LABELS)
    np.testing.assert_array_equal(read_values(header), values)
