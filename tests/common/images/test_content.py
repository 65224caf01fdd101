"""Files that are not what their names say."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from raw_images import LABELS, nifti
from synthseg_common.errors import ImageError
from synthseg_common.images import read_header

ANNEX = "/annex/objects/MD5E-s234--0123456789abcdef0123456789abcdef.nii.gz\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def zipped(*, encrypted: bool = False) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("scan.nii", nifti())
    content = bytearray(packed.getvalue())
    content[6] |= encrypted
    return bytes(content)


CONTENTS = {
    "a pointer of git-annex": (ANNEX.encode(), "git-annex.*`datalad get scan"),
    "a pointer of git-annex in a submodule": (
        b"../../.git" + ANNEX.encode(),
        "git-annex.*`git annex get scan",
    ),
    "a pointer of Git LFS": (LFS.encode(), "Git LFS.*`git lfs pull`"),
    "a web page": (b"\n<!DOCTYPE html><html>Sign in</html>", "web page.*download failed"),
    "a web page after comments": (
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- gate -->\n<html>",
        "web page.*download failed",
    ),
    "a store's refusal": (b"<?xml version='1.0'?>\n<Error><Code>AccessDenied", "web page"),
    "DICOM": (b"\0" * 128 + b"DICM" + b"\2\0" * 40, "DICOM.*dcm2niix"),
    "a zip archive": (zipped(), "is a zip archive.*unpack"),
    "an encrypted zip archive": (zipped(encrypted=True), "encrypted zip archive"),
    "OpenSSL's encryption": (b"Salted__12345678", "encrypted"),
    "OpenPGP's armour": (b"-----BEGIN PGP MESSAGE-----\n", "encrypted"),
    "age's encryption": (b"age-encryption.org/v1\n", "encrypted"),
    "bzip2": (b"BZh91AY&SY", "bzip2"),
    "xz": (b"\xfd7zXZ\0\0", "xz"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\0", "Zstandard"),
    "an NRRD image": (b"NRRD0004\ntype: short\n", "NRRD.*convert it to NIfTI"),
    "a MINC 2 image": (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "MINC 2"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "PNG"),
    "zeros": (b"\0" * 4000, "zeros only"),
    "text": ("Ein Brief, kein Bild: süß. ".encode() * 9, "is text"),
    "noise": (np.random.default_rng(0).bytes(2000), "though its name says so"),
}


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii", "scan.mgz"])
@pytest.mark.parametrize("what", CONTENTS)
def test_the_first_bytes_say_what_a_file_is(tmp_path: Path, what: str, name: str) -> None:
    path = tmp_path / name
    content, words = CONTENTS[what]
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"^{path}: .*{words}"):
        read_header(path)


@pytest.mark.parametrize("what", ["a web page", "DICOM", "text"])
def test_so_do_those_within_a_compressed_file(tmp_path: Path, what: str) -> None:
    content, words = CONTENTS[what]
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ImageError, match=words):
        read_header(tmp_path / "scan.nii.gz")


def test_what_was_compressed_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(gzip.compress(nifti())))
    with pytest.raises(ImageError, match=r"compressed by gzip once more.*gunzip"):
        read_header(tmp_path / "scan.nii.gz")


def test_nothing_compressed_is_told_as_empty(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(ImageError, match="is empty"):
        read_header(tmp_path / "scan.nii.gz")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (".git/annex/objects/x/y/MD5E-s1--0.nii.gz", "git-annex.*`datalad get scan.nii.gz`"),
        ("elsewhere.nii.gz", "is a link to elsewhere.nii.gz, which is not there"),
    ],
)
def test_a_link_that_leads_nowhere_is_told(tmp_path: Path, target: str, words: str) -> None:
    (tmp_path / "scan.nii.gz").symlink_to(target)
    with pytest.raises(ImageError, match=words):
        read_header(tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("named", ["scan.img", "scan.hdr"])
@pytest.mark.parametrize("half", ["scan.img", "scan.hdr"])
@pytest.mark.parametrize("what", ["a pointer of git-annex", "a pointer of Git LFS", "a web page"])
def test_either_half_of_a_pair_may_be_something_else(
    tmp_path: Path, what: str, half: str, named: str
) -> None:
    nib.save(nib.AnalyzeImage(LABELS.astype(np.int16), np.eye(4)), tmp_path / "scan.img")
    content, words = CONTENTS[what]
    (tmp_path / half).write_bytes(content)
    with pytest.raises(ImageError, match=f"^{tmp_path / half}: .*{words}"):
        read_header(tmp_path / named)


@pytest.mark.parametrize("named", ["scan.img", "scan.hdr"])
@pytest.mark.parametrize("half", ["scan.img", "scan.hdr"])
def test_either_half_of_a_pair_may_be_elsewhere(tmp_path: Path, half: str, named: str) -> None:
    nib.save(nib.AnalyzeImage(LABELS.astype(np.int16), np.eye(4)), tmp_path / "scan.img")
    (tmp_path / half).unlink()
    (tmp_path / half).symlink_to(".git/annex/objects/x/y/MD5E-s1--0")
    with pytest.raises(ImageError, match=f"^{tmp_path / half}: .*git-annex.*datalad get {half}"):
        read_header(tmp_path / named)


def test_what_no_half_of_a_pair_is_is_told_before_the_missing_half(tmp_path: Path) -> None:
    (tmp_path / "scan.img").write_bytes(CONTENTS["DICOM"][0])
    with pytest.raises(ImageError, match=r"scan\.img: .*DICOM"):
        read_header(tmp_path / "scan.img")
