"""Which vector instructions the convolutions should use on this processor."""

from __future__ import annotations

import os
from pathlib import Path

ISA_VARIABLE = "ONEDNN_MAX_CPU_ISA"
_CPU_INFO = Path("/proc/cpuinfo")
# Zen 3 and Zen 4: their 512-bit instructions run as two of 256 bits, and the network's 24 features
# fill three vectors of 8, but only three quarters of two vectors of 16.
_HALF_WIDTH_FAMILY = 25


def choose_instructions() -> None:
    """Sets oneDNN's instruction set where its own choice is not the fastest.

    On a Zen 4 processor AVX2 took 13 % less time for the original's network than AVX-512. To be
    called before TensorFlow is imported, which reads the environment once; a value that the user
    set stays.
    """
    if ISA_VARIABLE not in os.environ and prefers_short_vectors(_read(_CPU_INFO)):
        os.environ[ISA_VARIABLE] = "AVX2"


def prefers_short_vectors(cpu_info: str) -> bool:
    """Whether a processor, as `/proc/cpuinfo` tells of it, computes 512 bits in two halves."""
    facts = dict(_split(line) for line in cpu_info.split("\n\n")[0].splitlines() if ":" in line)
    return facts.get("vendor_id") == "AuthenticAMD" and facts.get("cpu family") == str(
        _HALF_WIDTH_FAMILY
    )


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
