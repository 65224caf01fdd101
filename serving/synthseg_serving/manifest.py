"""What an exported version consists of, by hashes: a changed file is refused by its name.

The manifest is what `sha256sum --check` reads, so that a shell can do the same where this package
is not installed. Its signature, Ed25519 over the manifest's bytes, is what `openssl pkeyutl -sign
-rawin` writes. Imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from synthseg_common.files import replacing, write_text

from synthseg_serving.errors import ModelError
from synthseg_serving.signatures import is_signed, sign_bytes

MANIFEST = "manifest.sha256"
SIGNATURE = "manifest.sha256.sig"
_HEAD = "# version "
_DIGEST_CHARACTERS = 64


def write_manifest(folder: Path, version: int) -> None:
    """Writes the hashes of all files of a version, beside them.

    Args:
        folder: Where the files are.
        version: Number under which they will be served.

    Raises:
        OutputError: It cannot be written.
    """
    lines = [f"{_HEAD}{version}"]
    lines += [f"{_digest(folder / name)}  {name}" for name in _names(folder)]
    write_text(folder / MANIFEST, "".join(f"{line}\n" for line in lines))


def sign_manifest(folder: Path, private_key: Path) -> Path:
    """Signs a version whose files are as its manifest says; gives the signature's file.

    Raises:
        ModelError: It has no manifest, a file was changed, or the key cannot be used.
        OutputError: The signature cannot be written.
    """
    told = _read_manifest(folder)
    _compare(folder, told)
    signature = sign_bytes(told, private_key)
    with replacing(folder / SIGNATURE) as temporary:
        temporary.write_bytes(signature)
    return folder / SIGNATURE


def check_version(folder: Path, public_key: Path | None = None) -> bool:
    """Refuses a version that is not as it was exported.

    Args:
        folder: The version's folder.
        public_key: PEM file of the key that it must be signed for; without one, a version of
            before manifests were written is let pass.

    Returns:
        Whether there was a manifest to hold it to.

    Raises:
        ModelError: A file was changed, is missing, or was added; or there is no valid signature.
    """
    if public_key is None and not (folder / MANIFEST).exists():
        return False
    told = _read_manifest(folder)
    if public_key is not None:
        _check_signature(folder, told, public_key)
    _compare(folder, told)
    return True


def _check_signature(folder: Path, told: bytes, public_key: Path) -> None:
    try:
        signature = (folder / SIGNATURE).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder} is not signed: {SIGNATURE} cannot be read: {error.strerror}. Sign it with "
            "`synthseg-serving sign`."
        ) from error
    if not is_signed(told, signature, public_key):
        raise ModelError(f"{folder / SIGNATURE} is no signature for {public_key}.")
    # Else an old version that was signed could be put in a newer one's place.
    if told.decode(errors="replace").splitlines()[:1] != [f"{_HEAD}{folder.name}"]:
        raise ModelError(f"{folder} was signed under another version number.")


def _compare(folder: Path, told: bytes) -> None:
    expected = dict(_entries(folder, told))
    found = set(_names(folder))
    for name in sorted(found | expected.keys()):
        if name not in found:
            raise ModelError(f"{folder / name} is missing: export the model again.")
        if name not in expected:
            raise ModelError(f"{folder / name} is not of this model: remove it.")
        if _digest(folder / name) != expected[name]:
            raise ModelError(f"{folder / name} was changed since its export: export it again.")


def _entries(folder: Path, told: bytes) -> Iterator[tuple[str, str]]:
    """Name and hash of every file that a manifest lists."""
    for line in told.decode(errors="replace").splitlines():
        if line.startswith("#"):
            continue
        digest, gap, name = line[:_DIGEST_CHARACTERS], line[_DIGEST_CHARACTERS:][:2], line[66:]
        if gap != "  " or not name or set(digest) - set("0123456789abcdef"):
            raise ModelError(f"{folder / MANIFEST} is broken: export the model again.")
        yield name, digest


def _read_manifest(folder: Path) -> bytes:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder / MANIFEST} cannot be read: {error.strerror}. Export the model again: older "
            "exports have none."
        ) from error


def _names(folder: Path) -> list[str]:
    """Files of a version, by their path in it; hidden ones are not the model's."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder) for path in paths)
    own = (MANIFEST, SIGNATURE)
    return sorted(n.as_posix() for n in names if n.name[0] != "." and n.as_posix() not in own)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
