"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

import re
from pathlib import Path

from synthseg_common.errors import ImageError

FIRST_BYTES = 1024
"""How much of a file `explain` wants to see."""
GZIP = b"\x1f\x8b"
_NIFTI_1 = (b"n+1\0", b"ni1\0")
_NIFTI_2 = (b"n+2\0", b"ni2\0")
_ANNEX = ("/annex/objects/", ".git/annex/objects/")
_ANNEX_BYTES = tuple(place.encode() for place in _ANNEX)
_LFS = b"version https://git-lfs"
_LFS_POINTER = "is a pointer of Git LFS, whose content is not here: get it with `git lfs pull`"
_WEB_PAGE = "is a web page: the download failed, so fetch it again (with a login?)"
_ENCRYPTED_FLAG = 1
_ANALYZE_BYTES = 348

# Where a signature stands, the bytes, what such a file is, what to do.
_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (128, b"DICM", "a DICOM file", "convert the series with dcm2niix"),
    (0, GZIP, "compressed by gzip once more", "unpack it once with `gunzip`"),
    (0, b"BZh", "compressed with bzip2", "unpack it with `bunzip2`"),
    (0, b"\xfd7zXZ\0", "compressed with xz", "unpack it with `unxz`"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "unpack it with `unzstd`"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it"),
    (0, b"Rar!", "a RAR archive", "unpack it"),
    (257, b"ustar", "a tar archive", "unpack it with `tar xf`"),
    (0, b"Salted__", "encrypted (OpenSSL)", "decrypt it"),
    (0, b"age-encryption.org/", "encrypted (age)", "decrypt it"),
    (0, b"-----BEGIN ", "encrypted or signed text", "decrypt it"),
    (0, b"\x85\x01", "encrypted (OpenPGP)", "decrypt it"),
    (0, b"\x85\x02", "encrypted (OpenPGP)", "decrypt it"),
    (0, b"\x84\x8c", "encrypted (OpenPGP)", "decrypt it"),
    (0, b"\x8c\x0d\x04", "encrypted (OpenPGP)", "decrypt it"),
    (0, b"NRRD", "an NRRD image", "convert it to NIfTI"),
    (0, b"ObjectType", "a MetaImage header", "convert it to NIfTI"),
    (0, b"CDF\x01", "a MINC or NetCDF file", "convert it to NIfTI with `mnc2nii`"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 or MINC 2 file", "convert it to NIfTI"),
    (0, b"\x93NUMPY", "a single NumPy array", "write it with numpy.savez, or as NIfTI"),
    (0, b"\x89PNG", "a PNG picture", "give the scan itself"),
    (0, b"\xff\xd8\xff", "a JPEG picture", "give the scan itself"),
    (0, b"%PDF", "a PDF document", "give the scan itself"),
)
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
    rb"<(?:!doctype html|html|head|body|error)\b",
    re.IGNORECASE | re.DOTALL,
)


def is_nifti(first: bytes) -> bool:
    """Whether these are the first bytes of a NIfTI-1 or NIfTI-2 header."""
    return is_nifti_1(first) or is_nifti_2(first)


def is_nifti_1(first: bytes) -> bool:
    """Whether these are the first bytes of a NIfTI-1 header."""
    return first[344:348] in _NIFTI_1


def is_nifti_2(first: bytes) -> bool:
    """Whether these are the first bytes of a NIfTI-2 header."""
    return first[4:8] in _NIFTI_2


def is_mgh(first: bytes) -> bool:
    """Whether these may be the first bytes of an MGH header: version 1, big endian."""
    return first[:2] == b"\0\0" and first[3:4] == b"\x01"


def is_analyze(first: bytes) -> bool:
    """Whether these may be the first bytes of an Analyze header, which has no signature."""
    size = _ANALYZE_BYTES.to_bytes(4, "little")
    return first[:4] in (size, size[::-1])


def refuse_pointer(path: Path) -> None:
    """Refuses a link that leads nowhere, as git-annex leaves it where the content is elsewhere.

    Raises:
        ImageError: It is one.
    """
    if told := _dangling(path):
        raise ImageError(f"{path}: {told}.")


def placeholder(path: Path) -> str | None:
    """What a file is that stands for content which is elsewhere: a pointer, or a web page.

    Args:
        path: A file of any kind, or a link that leads nowhere.

    Returns:
        Words with the remedy, or None where it is none of these or cannot be read.
    """
    try:
        if told := _dangling(path):
            return told
        with path.open("rb") as stream:
            first = stream.read(FIRST_BYTES)
    except OSError:
        return None
    if _is_annex(first):
        return _annex(path)
    if first.startswith(_LFS):
        return _LFS_POINTER
    return _WEB_PAGE if _PAGE.match(first) else None


def explain(path: Path, first: bytes, expected: str) -> ImageError:
    """Why a file cannot be read, from what it really is.

    Args:
        path: The file.
        first: Its first bytes, unpacked if they were compressed.
        expected: What its name promises, as "a NIfTI image".
    """
    return ImageError(f"{path}: {_what_it_is(path, first, expected)}.")


def refuse_known(path: Path, first: bytes, expected: str) -> None:
    """Refuses what is known to be of another kind; what is not known passes.

    Args:
        path: The file.
        first: Its first bytes, unpacked if they were compressed.
        expected: What it should be.

    Raises:
        ImageError: It is of another kind.
    """
    if told := _known(path, first, expected):
        raise ImageError(f"{path}: {told}.")


def _dangling(path: Path) -> str | None:
    """What a link is that leads nowhere, with the remedy; None for all else."""
    if not path.is_symlink() or path.exists():
        return None
    target = str(path.readlink())
    if any(place in target for place in _ANNEX):
        return _annex(path)
    return f"is a link to {target}, which is not there: mend the link"


def _known(path: Path, first: bytes, expected: str) -> str | None:
    if _is_annex(first):
        return _annex(path)
    if first.startswith(_LFS):
        return _LFS_POINTER
    for offset, signature, name, remedy in _SIGNATURES:
        if first[offset : offset + len(signature)] == signature:
            return f"is {name}, not {expected}: {remedy}"
    if first.startswith(b"PK\x03\x04"):
        locked = len(first) > 6 and first[6] & _ENCRYPTED_FLAG
        return f"is {'an encrypted' if locked else 'a'} zip archive, not {expected}: unpack it"
    return _WEB_PAGE if _PAGE.match(first) else None


def _what_it_is(path: Path, first: bytes, expected: str) -> str:
    if known := _known(path, first, expected):
        return known
    if not first:
        return "is empty, once it is unpacked: copy or download it again"
    if not first.strip(b"\0"):
        return "holds zeros only: it was damaged on the way, so copy or download it again"
    if _is_text(first):
        return f"is text, not {expected}: give the scan itself"
    return f"is not {expected}, though its name says so: check what it is, or copy it again"


def _is_annex(first: bytes) -> bool:
    start = first.lstrip(b"./")
    return any(start.startswith(place.lstrip(b"/.")) for place in _ANNEX_BYTES)


def _annex(path: Path) -> str:
    return (
        "is a pointer of git-annex, whose content is not here: "
        f"get it with `datalad get {path.name}` or `git annex get {path.name}`"
    )


def _is_text(first: bytes) -> bool:
    try:
        text = first.decode()
    except UnicodeDecodeError as error:
        if error.start < len(first) - 4:  # else a character was cut in two
            return False
        text = first[: error.start].decode()
    return all(c.isprintable() or c.isspace() for c in text)
