from __future__ import annotations

import os
from importlib import metadata

import pytest
from synthseg_client.diagnosis.installation import (
    look_at_environment,
    look_at_extras,
    look_at_versions,
)


def test_versions_are_those_of_the_installed_packages() -> None:
    found = look_at_versions()
    assert found.facts["numpy"] == metadata.version("numpy")
    assert found.problems == ()


def test_a_package_that_is_not_there_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def without_nibabel(name: str) -> str:
        if name == "nibabel":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", without_nibabel)
    found = look_at_versions()
    assert found.facts["nibabel"] == "not installed"
    (problem,) = found.problems
    assert "lacks nibabel" in problem.what
    extras = look_at_extras()
    assert extras.facts["serving"] == "installed"


def test_every_extra_is_told_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def without_zarr(name: str) -> str:
        if name == "zarr":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", without_zarr)
    facts = look_at_extras().facts
    assert {"generator", "serving", "trainer"} <= set(facts)
    assert facts["generator"] == "lacks zarr"
    assert facts["trainer"] == "lacks zarr"  # which takes in what the generator needs
    assert facts["serving"] == "installed"


def test_variables_are_told_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHSEG_TOKEN", "secret")
    monkeypatch.delenv("SYNTHSEG_SERVER", raising=False)
    facts = look_at_environment().facts
    assert (facts["SYNTHSEG_TOKEN"], facts["SYNTHSEG_SERVER"]) == ("set", "unset")
    assert os.environ["SYNTHSEG_TOKEN"] not in facts.values()
