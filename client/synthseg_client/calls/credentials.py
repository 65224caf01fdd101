"""Credentials that may be replaced while a long run goes on: a token in a file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from synthseg_client.errors import UsageError


class TokenFile:
    """A token in a file, as Kubernetes and secret stores replace it; never shown.

    Args:
        path: The file: one line of ASCII characters.

    Raises:
        UsageError: It cannot be read, or holds no token.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = self._read()

    def __repr__(self) -> str:
        return f"TokenFile({str(self._path)!r})"

    def read(self) -> str:
        """The token that the file holds now; while it cannot be read, the last one."""
        # Being replaced, perhaps; else the server will say what is wrong with the last one.
        with suppress(UsageError):
            self._last = self._read()
        return self._last

    def _read(self) -> str:
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not ASCII"
            raise UsageError(f"{self._path}: cannot be read as a token: {said}.") from error
        return checked_token(token, str(self._path))


def checked_token(token: str, source: str) -> str:
    """The token, if it may stand in a header.

    Args:
        token: What was found.
        source: Where; the token itself is not shown.

    Raises:
        UsageError: It is none.
    """
    if not (token and token.isascii() and token.isprintable()):
        raise UsageError(f"{source}: holds no token, expected one line of ASCII characters.")
    return token
