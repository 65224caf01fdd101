"""What is in the images, and who they run as."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from images import RECIPES, REPOSITORY, REVISION, description, run

from containers.sbom import normal_name, pinned_versions

pytestmark = pytest.mark.containers

SBOM = "/opt/synthseg/sbom.cdx.json"
INSTALLED = (
    "import json, importlib.metadata as m; "
    "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
)
COMPILERS = "gcc g++ cc c++ clang ld as make nvcc pip"


@pytest.fixture(params=RECIPES)
def tag(request: pytest.FixtureRequest, image: Callable[[str], str]) -> str:
    return image(request.param)


def test_run_as_nobody_in_particular_and_say_what_they_are(tag: str) -> None:
    config = description(tag)["Config"]
    labels = {k.rpartition(".")[2]: v for k, v in config["Labels"].items()}
    assert config["User"] == "10001:10001"
    assert labels["revision"] == REVISION
    assert labels["licenses"] == "Apache-2.0"
    assert ("Healthcheck" in config) == tag.startswith("synthseg-server")


def test_hold_no_compiler_and_can_be_written_nowhere(tag: str) -> None:
    script = f"for name in {COMPILERS}; do command -v $name; done; touch /opt/synthseg/new; id -u"
    options = ("--network", "none", "--user", "1234:1234", "--entrypoint", "sh")
    assert run(tag, "-c", script, options=options).split() == ["1234"]


def test_list_what_they_are_made_of_as_it_is_pinned(tag: str) -> None:
    text = run(tag, SBOM, options=("--network", "none", "--entrypoint", "cat"))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = [c for c in json.loads(text)["components"] if c["purl"].startswith("pkg:pypi/")]
    listed = {normal_name(part["name"]): part["version"] for part in parts}
    options = ("--network", "none", "--entrypoint", "/opt/synthseg/bin/python")
    installed = json.loads(run(tag, "-c", INSTALLED, options=options))
    own = {normal_name(name): version for name, version in installed.items()}
    own.pop("synthseg-serving")
    pins = pinned_versions(Path(REPOSITORY / "constraints.txt").read_text())
    assert listed == own
    assert own.items() <= pins.items()
