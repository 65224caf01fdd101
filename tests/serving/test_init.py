"""What the part offers at its top."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import synthseg_serving


@pytest.mark.parametrize("name", synthseg_serving.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(synthseg_serving, name) is not None
    assert name in dir(synthseg_serving)


def test_a_name_that_there_is_not_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="'synthseg_serving' has no attribute 'nothing'"):
        synthseg_serving.nothing  # noqa: B018


def test_importing_it_and_its_errors_loads_nothing_heavy(make_python: Callable[[str], str]) -> None:
    code = (
        "import sys, synthseg_serving as s; s.ServingError; s.ModelConfig\n"
        "print(sorted({'tensorflow', 'keras', 'grpc', 'numpy'} & set(sys.modules)))"
    )
    assert make_python(code) == "[]\n"
