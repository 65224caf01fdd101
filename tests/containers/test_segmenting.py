"""A scan through containers: client and server, and the one image that is both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from images import Recipe, build, docker, exit_code, run, running, wait_until_healthy
from loading import load_nifti
from nifti_files import save_volume
from synthseg_serving.shipped import shipped_model_dir

pytestmark = pytest.mark.containers

CALLER = 1234
CALL = ("--i", "/data/scan.nii.gz", "--o", "/data/out", "--vol", "/data/v.csv")
"""The original's, word by word."""


@pytest.fixture
def data(tmp_path: Path, make_head: Callable[..., np.ndarray]) -> Path:
    """A folder that the caller may write, with one scan."""
    return _with_scan(tmp_path / "data", make_head)


def _with_scan(folder: Path, make_head: Callable[..., np.ndarray]) -> Path:
    save_volume(folder / "scan.nii.gz", make_head((64, 64, 64)))
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def server(image: Callable[[str], str]) -> Iterator[str]:
    with running(image("synthseg-server"), options=("--network", "none")) as container:
        wait_until_healthy(container)
        yield container


def _as_caller(data: Path) -> tuple[str, ...]:
    return ("--user", f"{CALLER}:{CALLER}", "-v", f"{data}:/data")


def _results(data: Path) -> tuple[np.ndarray, str]:
    """Labels and volumes, which must be the caller's."""
    written = [data / "out", data / "v.csv", *(data / "out").iterdir()]
    assert {(p.stat().st_uid, p.stat().st_gid) for p in written} == {(CALLER, CALLER)}
    labels = np.asarray(load_nifti(data / "out" / "scan_synthseg.nii.gz").dataobj)
    return labels, (data / "v.csv").read_text()


def test_client_and_server_answer_as_the_image_that_is_both(
    image: Callable[[str], str],
    server: str,
    data: Path,
    tmp_path: Path,
    make_head: Callable[..., np.ndarray],
) -> None:
    network = ("--network", f"container:{server}", "-e", "SYNTHSEG_SERVER=localhost:8500")
    run(image("synthseg-client"), *CALL, options=(*network, *_as_caller(data)))
    labels, volumes = _results(data)
    assert labels.any()
    own = _with_scan(tmp_path / "own", make_head)
    run(image("synthseg"), *CALL, options=("--network", "none", *_as_caller(own)))
    again, volumes_again = _results(own)
    np.testing.assert_array_equal(again, labels)
    assert volumes_again == volumes


@pytest.mark.parametrize(
    "environment",
    [("-e", "HOME=/home/who"), ("-e", "HOME=")],
    ids=["a home that is not in the image, as Apptainer names it", "no home"],
)
def test_the_original_s_call_needs_no_home(
    image: Callable[[str], str], data: Path, environment: tuple[str, ...]
) -> None:
    options = ("--network", "none", *environment, *_as_caller(data))
    run(image("synthseg"), *CALL, options=options)
    assert _results(data)[0].any()


def test_other_commands_are_called_by_name(image: Callable[[str], str]) -> None:
    options = ("--network", "none")
    for words in (("--version",), ("mri_synthseg", "--help"), ("synthseg-serving", "--version")):
        assert run(image("synthseg"), *words, options=options)


def test_a_server_ends_well_when_it_is_stopped(image: Callable[[str], str]) -> None:
    with running(image("synthseg-server"), options=("--network", "none")) as container:
        wait_until_healthy(container)
        docker("kill", "--signal", "TERM", container)
        assert exit_code(container, 60) == 0


def test_a_model_is_served_out_of_its_image(
    image: Callable[[str], str], data: Path, tmp_path: Path
) -> None:
    """On the embedded server; on TensorFlow Serving see test_tf_serving.py."""
    recipe = Recipe("synthseg-model", "k8s/model-image/Dockerfile")
    context = shipped_model_dir(cache=tmp_path).parent
    model = build(recipe, context, base=image("synthseg-server"))
    with running(model, "/models/synthseg", options=("--network", "none")) as container:
        wait_until_healthy(container)
        network = ("--network", f"container:{container}", "-e", "SYNTHSEG_SERVER=localhost:8500")
        run(image("synthseg-client"), *CALL, options=(*network, *_as_caller(data)))
    assert _results(data)[0].any()
