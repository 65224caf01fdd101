"""Public names that load their modules when they are first used."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from synthseg_common.exports import load_export

HOMES = {"__version__": "", "BACKGROUND": "synthseg_common.labels"}


def test_a_name_is_that_of_its_module() -> None:
    from synthseg_common.labels import BACKGROUND

    assert load_export("any", HOMES, "BACKGROUND") is BACKGROUND


def test_the_version_is_the_distributions() -> None:
    assert load_export("any", HOMES, "__version__") == version("synthseg-serving")


@pytest.mark.parametrize(("homes", "name"), [(HOMES, "other"), ({}, "__version__")])
def test_other_names_are_refused_as_python_refuses_them(homes: dict[str, str], name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'any' has no attribute '{name}'"):
        load_export("any", homes, name)
