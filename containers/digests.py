"""Writes the digests of base images into the Dockerfiles: `make image-digests`.

    python containers/digests.py [DOCKERFILE...]

A tag moves and a digest does not. The registry is asked through `docker buildx imagetools`; without
an answer the file stays as it is.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BASE = re.compile(r"^ARG BASE=(?P<tag>[^@\s]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?$", re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TIMEOUT_S = 120


def with_digests(text: str, digest_of: Callable[[str], str]) -> str:
    """A Dockerfile whose bases are pinned anew.

    Args:
        text: The file, with lines `ARG BASE=NAME:TAG` or `ARG BASE=NAME:TAG@DIGEST`.
        digest_of: The digest that a registry has for `NAME:TAG`, as `sha256:...`.
    """
    return BASE.sub(lambda m: f"ARG BASE={m['tag']}@{digest_of(m['tag'])}", text)


def asked_digest(tag: str) -> str:
    """The digest that the registry has for a tag.

    Raises:
        LookupError: It does not answer with one.
    """
    command = ["docker", "buildx", "imagetools", "inspect", tag, "--format", "{{.Manifest.Digest}}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LookupError(f"{tag}: its registry cannot be asked: {error}.") from error
    answer = done.stdout.strip()
    if done.returncode or not _DIGEST.fullmatch(answer):
        said = done.stderr.strip().splitlines() or [answer or "nothing"]
        raise LookupError(f"{tag}: no digest from its registry, it said: {said[-1]}")
    return answer


def dockerfiles() -> list[Path]:
    """All of this repository, sorted."""
    return sorted(
        path
        for path in REPOSITORY.rglob("Dockerfile")
        if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
    )


def main(words: list[str]) -> int:
    """Pins the bases of the files that are named, or of all; 1 if a registry did not answer."""
    failed = 0
    for path in [Path(word) for word in words] or dockerfiles():
        old = path.read_text(encoding="utf-8")
        try:
            new = with_digests(old, asked_digest)
        except LookupError as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = 1
            continue
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(f"{path}: pinned anew")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
