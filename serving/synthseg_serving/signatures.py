"""Ed25519 signatures, with keys as `openssl genpkey -algorithm ed25519` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthseg_serving.errors import ModelError


def sign_bytes(content: bytes, private_key: Path) -> bytes:
    """The signature of some bytes, 64 of them.

    Raises:
        ModelError: The key cannot be read, or is none of Ed25519.
    """
    serialization, ed25519 = _cryptography()
    key = _load(private_key, lambda data: serialization.load_pem_private_key(data, None), "private")
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ModelError(f"{private_key} is no private key of Ed25519.")
    signature: bytes = key.sign(content)
    return signature


def is_signed(content: bytes, signature: bytes, public_key: Path) -> bool:
    """Whether a signature is that of some bytes, made with the other half of a key.

    Raises:
        ModelError: The key cannot be read, or is none of Ed25519.
    """
    serialization, ed25519 = _cryptography()
    from cryptography.exceptions import InvalidSignature

    key = _load(public_key, serialization.load_pem_public_key, "public")
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ModelError(f"{public_key} is no public key of Ed25519.")
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _load(path: Path, load: Any, kind: str) -> object:
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    except Exception as error:  # of many classes, none of them ours to tell apart
        raise ModelError(
            f"{path} is no {kind} key without a password in PEM: make one with `openssl genpkey "
            "-algorithm ed25519`."
        ) from error


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise ModelError(
            "signatures need the package cryptography: pip install 'synthseg-serving[signing]'."
        ) from error
    return serialization, ed25519
