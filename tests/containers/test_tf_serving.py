"""The images on TensorFlow Serving, where TF_SERVING_IMAGE names one of its images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from images import Recipe, build, docker, running, wait_until_healthy
from synthseg_serving.shipped import shipped_model_dir

pytestmark = pytest.mark.containers

VARIABLE = "TF_SERVING_IMAGE"
FOLDER = "serving/synthseg_serving/tf_serving"


@pytest.fixture(scope="module")
def base() -> str:
    """The image of TensorFlow Serving."""
    if VARIABLE not in os.environ:
        pytest.skip(f"{VARIABLE} names no image of TensorFlow Serving")
    return os.environ[VARIABLE]


@pytest.mark.parametrize("inside", [True, False], ids=["model inside", "model mounted"])
def test_a_model_becomes_available(base: str, tmp_path: Path, inside: bool) -> None:
    models = shipped_model_dir(cache=tmp_path).parent
    for path in (models, *models.rglob("*")):
        path.chmod(0o755)
    if inside:
        recipe = Recipe("synthseg-model", "k8s/model-image/Dockerfile")
        tag, options = build(recipe, models, base), list[str]()
    else:
        context = Path(__file__).resolve().parents[2] / FOLDER
        tag = build(Recipe("synthseg-tf-serving", f"{FOLDER}/Dockerfile"), context, base)
        options = ["-v", f"{models}:/models:ro"]
    with running(tag, options=("--network", "none", "--init", *options)) as container:
        wait_until_healthy(container)
        assert docker("exec", container, "id", "-u").stdout.strip() == "10001"
