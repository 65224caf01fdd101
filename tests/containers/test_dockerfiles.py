"""What every Dockerfile has to say, and that what its image installs is pinned."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from containers.digests import BASE, REPOSITORY, dockerfiles
from containers.requirements import requirements_of
from containers.sbom import normal_name, pinned_versions

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PINS = pinned_versions((REPOSITORY / "constraints.txt").read_text())
LABELS = {"title", "description", "version", "revision", "source", "licenses"}
TENSORFLOW_SERVING = "tensorflow/serving:2.20.0"
PYTHONS = ("3.11", "3.12", "3.13")
each_dockerfile = pytest.mark.parametrize(
    "path", dockerfiles(), ids=lambda path: str(path.relative_to(REPOSITORY))
)


def _stages(text: str) -> list[list[str]]:
    """Instructions of each stage, as lines; comments are left out."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [part.splitlines() for part in re.split(r"^(?=FROM )", joined, flags=re.MULTILINE)[1:]]


def _chain(stages: list[list[str]], last: int) -> list[str]:
    """All instructions that a stage consists of, those of the stages below it first."""
    parent = stages[last][0].split()[1]
    for number in range(last):
        if stages[number][0].split()[-1] == parent:
            return [*_chain(stages, number), *stages[last]]
    return stages[last]


def _images(text: str) -> list[list[str]]:
    """Instructions of the stages that are images: those with labels."""
    stages = _stages(text)
    return [
        _chain(stages, n) for n, stage in enumerate(stages) if any("LABEL " in s for s in stage)
    ]


@each_dockerfile
def test_a_build_argument_names_the_base_by_its_digest(path: Path) -> None:
    text = path.read_text()
    bases = list(BASE.finditer(text))
    assert len(bases) == 1
    # That of TensorFlow Serving is written by `make image-digests`, where its registry answers.
    assert bases[0]["digest"] or bases[0]["tag"] == TENSORFLOW_SERVING
    names = {stage[0].split()[-1] for stage in _stages(text) if " AS " in stage[0]}
    assert {stage[0].split()[1] for stage in _stages(text)} <= names | {"${BASE}"}


def test_images_of_python_have_one_base() -> None:
    bases = {BASE.search(path.read_text())[0] for path in dockerfiles()}  # type: ignore[index]
    assert {base for base in bases if "tensorflow/serving" not in base} == {
        base for base in bases if "python:" in base
    }
    assert len(bases) == 2


@each_dockerfile
def test_images_run_without_root_and_carry_labels(path: Path) -> None:
    images = _images(path.read_text())
    assert images
    for lines in images:
        text = "\n".join(lines)
        assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "10001:10001"
        assert set(re.findall(r"org\.opencontainers\.image\.(\w+)=", text)) == LABELS
        assert f'image.version="{PROJECT["version"]}"' in text
        assert f'image.licenses="{PROJECT["license"]}"' in text
        assert not re.search(r"apt-get|pip install|/opt/tools", text), "an image holds no tools"


@each_dockerfile
def test_images_that_serve_are_checked(path: Path) -> None:
    for lines in _images(path.read_text()):
        serves = any(line.startswith("EXPOSE ") for line in lines) or "model-image" in str(path)
        assert any(line.startswith("HEALTHCHECK ") for line in lines) == serves, path


@pytest.mark.parametrize("python", PYTHONS)
def test_all_that_an_image_installs_is_pinned(python: str) -> None:
    """With the libraries of CUDA; as far as what is installed here says what it needs."""
    wanted = ["tensorflow[and-cuda]", "cyclonedx-bom", "hatchling", "bids-validator-deno"]
    for path in dockerfiles():
        for extras in re.findall(r"requirements\.py(.*) >", path.read_text()):
            # What a build argument may name, it may name all of.
            wanted += requirements_of(PROJECT, extras.replace("${EXTRAS}", "all").split())
    names = set(_closure(wanted, python))
    assert "nvidia-cudnn-cu12" in names
    assert "grpcio" in names
    assert names - PINS.keys() == set()


def test_pins_satisfy_what_was_asked_for() -> None:
    every = requirements_of(PROJECT, PROJECT["optional-dependencies"])
    for line in every:
        requirement = Requirement(line)
        assert requirement.specifier.contains(PINS[normal_name(requirement.name)]), line


def _closure(lines: Iterable[str], python: str) -> Iterator[str]:
    """Names of all that requirements need on Linux, they themselves among it."""
    todo = [(Requirement(line), "") for line in lines]
    seen: set[tuple[str, str]] = set()
    while todo:
        requirement, _ = todo.pop()
        name = normal_name(requirement.name)
        yield name
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                todo += [(needed, extra) for needed in _needs(name, extra, python)]


def _needs(name: str, extra: str, python: str) -> list[Requirement]:
    """What an installed package needs; nothing is known of one that is not installed."""
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    environment = {"extra": extra, "python_version": python, "python_full_version": f"{python}.1"}
    environment |= {"platform_machine": "x86_64", "sys_platform": "linux"}
    needed = [Requirement(line) for line in lines]
    return [r for r in needed if r.marker is None or r.marker.evaluate(environment)]
