"""Released networks with random weights, as files and served, one set for all tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from official_files import Random, write_official
from server_calls import OPTIONS, TIMEOUT_S, Calls, Running
from synthseg_common.official_weights import MODELS_CONFIG
from synthseg_serving.model_config import read_config_file
from synthseg_serving.official.cache import cached_set
from synthseg_serving.official.networks import PARCELLATION, QUALITY, ROBUST

BINARY_VARIABLE = "TF_SERVING_BINARY"


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The robust chain, parcels and quality with random weights, as a folder of released files."""
    folder = tmp_path_factory.mktemp("weights")
    for seed, network in enumerate((ROBUST, PARCELLATION, QUALITY)):
        write_official(folder / network.file, network, Random(seed))
    return folder


@pytest.fixture(scope="session")
def official_set(weights_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as served models."""
    return cached_set(weights_folder, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def on_demand(start: Callable[..., Running], official_set: Path) -> Running:
    """The set, served by our server, each model loaded when it is first asked for."""
    return start(*read_config_file(official_set / MODELS_CONFIG), on_demand=True)


@pytest.fixture(scope="session", params=["embedded", "TF Serving"])
def channel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[grpc.Channel]:
    """The set, served by our server, and by TF Serving if there is one."""
    if request.param == "embedded":
        running: Running = request.getfixturevalue("on_demand")
        yield running.calls.channel
        return
    binary = os.environ.get(BINARY_VARIABLE)
    if not binary:
        pytest.skip(f"no TF Serving: set {BINARY_VARIABLE}")
    official: Path = request.getfixturevalue("official_set")
    yield from _tf_serving(binary, official, tmp_path_factory.mktemp("tfs"))


def _tf_serving(binary: str, official: Path, folder: Path) -> Iterator[grpc.Channel]:
    process = subprocess.Popen(
        [
            binary,
            "--port=0",
            f"--grpc_socket_path={folder}/tfs",
            f"--model_config_file={official / MODELS_CONFIG}",
            "--enable_serialization_as_tensor_content=true",
        ]
    )
    try:
        with grpc.insecure_channel(f"unix:{folder}/tfs", OPTIONS) as channel:
            # It listens when all models of its configuration are there, or have failed.
            grpc.channel_ready_future(channel).result(timeout=TIMEOUT_S)
            yield channel
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


@pytest.fixture
def ask(channel: grpc.Channel) -> Callable[[str], Calls]:
    """Calls to one of the set's models."""
    return lambda model: Calls(channel, model)
