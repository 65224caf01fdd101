from __future__ import annotations

import os

from synthseg_common.processor import available_cores, read_processor

INFO = """processor	: 0
vendor_id	: AuthenticAMD
cpu family	: 25
model name	: AMD EPYC 9R14
flags		: fpu avx avx2 avx512_vnni

processor	: 1
model name	: another
"""


def test_the_first_processor_is_the_one_that_counts() -> None:
    found = read_processor(INFO)
    assert (found.model, found.vendor, found.family) == ("AMD EPYC 9R14", "AuthenticAMD", "25")
    assert found.features == {"fpu", "avx", "avx2", "avx512_vnni"}


def test_arm_tells_its_features_by_another_name() -> None:
    assert read_processor("Features\t: asimd sve\n").features == {"asimd", "sve"}


def test_what_is_not_told_is_empty() -> None:
    assert read_processor("nonsense").features == frozenset()


def test_no_more_cores_are_used_than_there_are() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
