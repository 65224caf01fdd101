"""The Boutiques descriptor and the container's entry point beside the client."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import synthseg_client
from synthseg_client.cli import main

CLIENT = Path(synthseg_client.__file__).parents[1]
DESCRIPTOR = json.loads((CLIENT / "boutiques.json").read_text())


def test_each_flag_is_one_of_the_command_and_is_in_the_command_line() -> None:
    known = {flag for parameter in main.commands["bids"].params for flag in parameter.opts}
    for given in DESCRIPTOR["inputs"]:
        assert given.get("command-line-flag", given["id"]) in known
        assert given["value-key"] in DESCRIPTOR["command-line"]


def test_what_is_positional_comes_first() -> None:
    words = DESCRIPTOR["command-line"].split()
    assert words[:5] == ["synthseg-client", "bids", "[BIDS_DIR]", "[OUT_DIR]", "[LEVEL]"]


def test_it_is_of_this_version_and_its_image_can_be_built() -> None:
    version = importlib.metadata.version("synthseg-serving")
    assert DESCRIPTOR["tool-version"] == version
    text = (CLIENT.parent / "serving" / "Dockerfile").read_text()
    image = DESCRIPTOR["container-image"]["image"]
    assert image == f"synthseg-bids:{version}"
    assert f"--target bids -t {image}" in text
    stage = text.split(" AS bids\n")[1].split("\nFROM ")[0]
    assert 'ENTRYPOINT ["synthseg-client", "bids"]' in stage
