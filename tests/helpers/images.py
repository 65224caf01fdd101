"""Images built from their Dockerfiles, and containers run from them, as a cluster runs them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BASE_VARIABLE = "SYNTHSEG_IMAGE_BASE"
"""Names the base image where the Dockerfiles' own cannot be pulled."""
BUILD_TIMEOUT_S = 1500
RUN_TIMEOUT_S = 600
REVISION = "0123456789abcdef"
# What the manifests in k8s/ ask for, and more: nothing of the image can be written, and no network.
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")


@dataclass(frozen=True)
class Recipe:
    """How an image is built.

    Attributes:
        name: Of the image; its tag is `test`.
        dockerfile: From the repository's root.
        arguments: More words for `docker build`.
    """

    name: str
    dockerfile: str
    arguments: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        return f"{self.name}:test"


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("synthseg-client", "client/Dockerfile"),
        Recipe("synthseg-generator", "generator/Dockerfile"),
        Recipe("synthseg-trainer", "trainer/Dockerfile", ("--build-arg", "TENSORFLOW_EXTRA=")),
        Recipe("synthseg-server", "serving/Dockerfile", ("--target", "server")),
        Recipe("synthseg", "serving/Dockerfile", ("--target", "synthseg")),
        Recipe("synthseg-bids", "serving/Dockerfile", ("--target", "bids")),
    )
}


def docker(*words: object, timeout_s: float = RUN_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Runs docker; the caller looks at the exit code."""
    return subprocess.run(
        ["docker", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def build(recipe: Recipe, context: Path = REPOSITORY, base: str | None = None) -> str:
    """Builds an image and returns its tag.

    Args:
        recipe: Which.
        context: The folder that is sent to docker.
        base: In the place of the Dockerfile's own; by default what the environment says.
    """
    base = base or os.environ.get(BASE_VARIABLE)
    words = ["build", "--network=host", "-f", REPOSITORY / recipe.dockerfile, "-t", recipe.tag]
    words += ["--build-arg", f"REVISION={REVISION}"]
    words += ["--build-arg", f"BASE={base}"] if base else []
    done = docker(*words, *recipe.arguments, context, timeout_s=BUILD_TIMEOUT_S)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return recipe.tag


def description(image: str) -> dict[str, Any]:
    """What `docker inspect` says of an image or a container."""
    done = docker("inspect", image)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def run(image: str, *words: object, options: Sequence[object] = ()) -> str:
    """Runs a container to its end, which must be good; what it printed."""
    done = docker("run", "--rm", *HARDENED, *options, image, *words)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


@contextmanager
def running(image: str, *words: object, options: Sequence[object] = ()) -> Iterator[str]:
    """A container in the background; its id. It is removed at the end."""
    done = docker("run", "--detach", *HARDENED, *options, image, *words)
    assert done.returncode == 0, done.stderr
    container = done.stdout.strip()
    try:
        yield container
    finally:
        docker("rm", "--force", container)


def wait_until_healthy(container: str, limit_s: float = RUN_TIMEOUT_S) -> None:
    """Waits for a container's own health check."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        state = description(container)["State"]
        if state["Health"]["Status"] == "healthy":
            return
        assert state["Running"], docker("logs", container).stderr[-4000:]
        time.sleep(0.5)
    raise AssertionError(f"not healthy after {limit_s:g} s: {state['Health']}")


def exit_code(container: str, limit_s: float = RUN_TIMEOUT_S) -> int:
    """Waits for a container's end; its exit code."""
    return int(docker("wait", container, timeout_s=limit_s).stdout)
