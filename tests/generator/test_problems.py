"""What is wrong with many files, in one error."""

from __future__ import annotations

import errno
import pickle

import pytest
from synthseg_common.errors import is_outage
from synthseg_generator.errors import GeneratorError, LabelError, StoreError
from synthseg_generator.problems import Problem, note_problems, raise_problems


def told(*errors: GeneratorError, hint: str = "") -> GeneratorError:
    """The error that tells several, of which workers found some."""
    problems = pickle.loads(pickle.dumps([Problem.of(error) for error in errors]))
    with pytest.raises(GeneratorError) as caught:
        raise_problems(problems, "the maps", hint)
    return caught.value


def passing(kind: type[GeneratorError]) -> GeneratorError:
    """An error that a failing disk caused."""
    error = kind("disk")
    error.__cause__ = OSError(errno.EIO, "Input/output error")
    return error


def test_no_problem_is_no_error() -> None:
    raise_problems([], "the maps")


def test_one_problem_is_told_as_if_it_were_raised() -> None:
    assert str(told(LabelError("a.nii is none."))) == "a.nii is none."


def test_several_have_a_line_each_and_a_hint_follows() -> None:
    error = told(LabelError("a.nii is none."), LabelError("b.nii too."), hint="Mend them.")
    lines = ["2 problems with the maps:", "  a.nii is none.", "  b.nii too.", "Mend them."]
    assert str(error).splitlines() == lines


def test_an_error_is_of_the_kind_of_its_problems() -> None:
    assert type(told(StoreError("a"), StoreError("b"))) is StoreError
    assert type(told(StoreError("a"), LabelError("b"))) is LabelError


def test_only_problems_that_may_all_pass_are_an_outage() -> None:
    wrong, disk = LabelError("shape"), passing(LabelError)
    assert is_outage(told(disk))
    assert is_outage(told(disk, disk))
    assert not is_outage(told(disk, wrong))
    assert not is_outage(told(wrong))


def test_a_store_out_of_reach_ends_the_search() -> None:
    problems: list[Problem] = []
    with pytest.raises(StoreError), note_problems(problems):
        raise passing(StoreError)
    with note_problems(problems):
        raise passing(LabelError)
    assert len(problems) == 1
