"""Files damaged by chance, again the same for the same number."""

from __future__ import annotations

import random

_SPECIAL = (b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80")
_WORDS = '\n|{|}|[|]|:|- |\t|"|null|1e999|nan|-1|true|&a |*a |!!python/object:os.system '
_TEXT = (*(word.encode() for word in _WORDS.split("|")), b"9" * 20, b"\xef\xbb\xbf", b"\xc3\x28")


def damaged(content: bytes, number: int, reach: int | None = None) -> bytes:
    """A copy with one to four changes.

    Args:
        content: A sound file.
        number: Which copy.
        reach: How many bytes from the start are worth a change; all by default.
    """
    rng = random.Random(number)
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(max(1, min(len(data), reach or len(data))))
        kind = rng.randrange(6)
        if kind == 0:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            piece = rng.choice(_SPECIAL)
            data[at : at + len(piece)] = piece
        elif kind == 2:
            data[at:at] = rng.choice(_TEXT)
        elif kind == 3:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 4:
            data[at:at] = data[at : at + rng.randint(1, 60)]
        else:
            other = rng.randrange(max(1, len(data)))
            data[at : at + 8] = data[other : other + 8]
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.randrange(8) == 0 else data)
