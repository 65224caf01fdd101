from __future__ import annotations

import os

import pytest
from synthseg_serving import cpu

INFO = "processor\t: 0\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: 17\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("vendor", "family", "short"),
    [
        ("AuthenticAMD", 25, True),
        ("AuthenticAMD", 26, False),
        ("GenuineIntel", 6, False),
    ],
)
def test_only_processors_that_halve_long_vectors_prefer_short_ones(
    vendor: str, family: int, short: bool
) -> None:
    assert cpu.prefers_short_vectors(INFO.format(vendor, family)) is short
    assert not cpu.prefers_short_vectors("")


def test_a_value_that_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    zen4 = INFO.format("AuthenticAMD", 25)
    monkeypatch.setenv(cpu.ISA_VARIABLE, "AVX512_CORE")
    cpu.choose_instructions(zen4)
    assert os.environ[cpu.ISA_VARIABLE] == "AVX512_CORE"
    monkeypatch.delenv(cpu.ISA_VARIABLE)
    cpu.choose_instructions(zen4)
    assert os.environ[cpu.ISA_VARIABLE] == "AVX2"
