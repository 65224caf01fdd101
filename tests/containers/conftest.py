"""Images of this repository, each built once; left out unless `-m` names them."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from images import RECIPES, build, docker

MARKER = "containers"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Builds nothing for who asks for other tests, as `-m "not slow"` does."""
    if MARKER in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker(MARKER)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def image() -> Callable[[str], str]:
    """A function that answers the tag of an image, built from its Dockerfile as it stands."""
    if shutil.which("docker") is None or docker("info").returncode != 0:
        pytest.fail("the tests of images need docker, and a daemon that answers `docker info`.")
    tags: dict[str, str] = {}

    def built(name: str) -> str:
        if name not in tags:
            tags[name] = build(RECIPES[name])
        return tags[name]

    return built
