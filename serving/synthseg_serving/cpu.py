"""Which vector instructions the convolutions should use on this processor."""

from __future__ import annotations

import os

from synthseg_common.processor import read_processor

ISA_VARIABLE = "ONEDNN_MAX_CPU_ISA"
# Zen 3 and Zen 4: their 512-bit instructions run as two of 256 bits, and the network's 24 features
# fill three vectors of 8, but only three quarters of two vectors of 16.
_HALF_WIDTH_FAMILY = 25


def choose_instructions(cpu_info: str | None = None) -> None:
    """Sets oneDNN's instruction set where its own choice is not the fastest.

    On a Zen 4 processor AVX2 took 13 % less time for the original's network than AVX-512. To be
    called before TensorFlow is imported, which reads the environment once; a value that the user
    set stays.

    Args:
        cpu_info: Text of `/proc/cpuinfo`; read from there unless given.
    """
    if ISA_VARIABLE not in os.environ and prefers_short_vectors(cpu_info):
        os.environ[ISA_VARIABLE] = "AVX2"


def prefers_short_vectors(cpu_info: str | None = None) -> bool:
    """Whether a processor, as `/proc/cpuinfo` tells of it, computes 512 bits in two halves."""
    processor = read_processor(cpu_info)
    return processor.vendor == "AuthenticAMD" and processor.family == str(_HALF_WIDTH_FAMILY)
