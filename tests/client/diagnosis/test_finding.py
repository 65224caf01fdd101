from __future__ import annotations

from synthseg_client.diagnosis.finding import Finding, Problem


def test_a_problem_reads_as_one_sentence() -> None:
    assert str(Problem("the disk is full", "make room")) == "the disk is full: make room."


def test_without_problems_all_is_well() -> None:
    assert Finding({"cores": 2}).problems == ()
