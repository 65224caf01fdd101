"""The files that describe the distribution agree with each other."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
HEAVY = {"tensorflow", "tensorflow-serving-api", "keras", "zarr", "dask", "matplotlib", "h5py"}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_names(requirements: list[str]) -> set[str]:
    return {normalised(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]) for line in requirements}


def pinned_names() -> set[str]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return {normalised(line.split("==")[0]) for line in lines if "==" in line}


def test_one_version_everywhere() -> None:
    version = PROJECT["version"]
    assert importlib.metadata.version("synthseg-serving") == version
    assert yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["version"] == version
    assert f"## [{version}]" in (REPOSITORY / "CHANGELOG.md").read_text()


def test_images_carry_the_version() -> None:
    for path in REPOSITORY.glob("*/Dockerfile"):
        for tag in re.findall(r"-t (synthseg-[\w.:-]+)", path.read_text()):
            assert tag.partition(":")[2].removesuffix("-cpu") == PROJECT["version"], path
    for path in (REPOSITORY / "k8s").rglob("*.yaml"):
        for tag in re.findall(r"image: synthseg-[\w-]+:(\S+)", path.read_text()):
            assert tag == PROJECT["version"], path


def test_base_install_is_the_thin_client() -> None:
    assert requirement_names(PROJECT["dependencies"]) & HEAVY == set()


def test_every_direct_dependency_is_pinned_for_the_gate() -> None:
    wanted = requirement_names(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        wanted |= requirement_names(extra)
    assert wanted - pinned_names() == {"synthseg-serving"}


def test_tensorflow_comes_in_one_flavour() -> None:
    # tensorflow-serving-api requires `tensorflow`; the cpu package would overwrite its files.
    sources = [
        REPOSITORY / "pyproject.toml",
        REPOSITORY / "constraints.txt",
        *REPOSITORY.glob("*/Dockerfile"),
    ]
    for path in sources:
        assert "tensorflow-cpu" not in path.read_text(), path


def test_readme_stays_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) < 150


def test_the_readme_leads_with_the_two_commands() -> None:
    text = (REPOSITORY / "README.md").read_text()
    targets = re.findall(r"^(\w+):.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    commands = re.findall(r"^make (\w+)", text, re.MULTILINE)
    assert commands == ["demo", "test"]
    assert set(commands) < set(targets)
