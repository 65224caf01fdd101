"""One small exported model, a stand-in for the recorded servers' model, servers for both."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from certificates import make_signing_keys
from click.testing import CliRunner
from server_calls import OPTIONS, QUICK, TIMEOUT_S, Calls, Running
from stand_in import BegunRun, LongRun, save_synth, synth_config, synth_entry
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_serving.cli import main
from synthseg_serving.export import export_bundle
from synthseg_serving.manager import State
from synthseg_serving.server import Server, ServerSettings
from synthseg_serving.variables import variable_shapes
from synthseg_serving.versions import ModelConfig
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import Bundle, save_bundle

SMALL = NetworkSettings(n_labels=33, features=4, n_levels=3, stem=2)
BINARY_VARIABLE = "TF_SERVING_BINARY"
ADDRESS_VARIABLE = "TF_SERVING_ADDRESS"


def random_bundle(network: NetworkSettings = SMALL, seed: int = 0) -> Bundle:
    """A network with random weights whose answers are partly background."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in variable_shapes(network).items():
        if name.endswith(("variance", "gamma")):
            value = rng.uniform(0.5, 2.0, shape)
        elif len(shape) > 1:
            value = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        else:
            value = rng.normal(0, 0.1, shape)
        weights[name] = value.astype(np.float32)
    weights["unet_likelihood/kernel"] *= 3
    bias = weights["unet_likelihood/bias"].reshape(-1, network.n_labels)
    bias[:, 0] += 9
    return Bundle(
        network=network, labels=SYNTHSEG_V2, weights=weights, info={"name": "small", "licence": "x"}
    )


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Bundle]:
    """`random_bundle`, as a fixture."""
    return random_bundle


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The small network that the session's tests share."""
    return random_bundle()


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private key to sign models with, and its public half."""
    return make_signing_keys(tmp_path)


@pytest.fixture
def bundle_file(bundle: Bundle, tmp_path: Path) -> Path:
    """The small network, as a file."""
    save_bundle(tmp_path / "bundle.npz", bundle)
    return tmp_path / "bundle.npz"


@pytest.fixture(scope="session")
def model_dir(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base path of the small model, version 1."""
    folder = tmp_path_factory.mktemp("models") / "synthseg"
    export_bundle(bundle, folder)
    return folder


@pytest.fixture(scope="session")
def cube_dir(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base path of the small model that takes a grid of 128³ and no more."""
    folder = tmp_path_factory.mktemp("cube") / "synthseg"
    export_bundle(bundle, folder, max_voxels=128**3)
    return folder


@pytest.fixture(scope="session")
def scan() -> np.ndarray:
    rng = np.random.default_rng(5)
    coarse = rng.uniform(0, 200, (5, 6, 7))
    smooth = coarse.repeat(8, 0).repeat(8, 1).repeat(8, 2)[:37, :45, :50]
    return (smooth + rng.normal(0, 10, smooth.shape)).astype(np.float32)


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """Starts a server in this process; all of them stop at the end."""
    running = []

    def run(*models: ModelConfig, **settings: Any) -> Running:
        settings.setdefault("addresses", (f"unix:{tmp_path_factory.mktemp('s')}/s",))
        server = Server(models, ServerSettings(threads=2, **settings))
        channel = grpc.insecure_channel(server.addresses[0], OPTIONS)
        running.append((server, channel))
        return Running(server, Calls(channel, models[0].name))

    yield run
    for server, channel in running:
        channel.close()
        server.stop(0)


@pytest.fixture
def live(
    start: Callable[..., Running], save_synth: Callable[[Path, int], Path], tmp_path: Path
) -> tuple[Calls, Path]:
    """The stand-in model of a folder of the test's own, looked at often; and that folder."""
    folder = tmp_path / "live"
    folder.mkdir()
    save_synth(folder, 1)
    return start(ModelConfig(name="live", base_path=folder), **QUICK).calls, folder


@pytest.fixture(scope="session")
def served(start: Callable[..., Running], model_dir: Path) -> Calls:
    """The small model, served."""
    return start(ModelConfig(name="synthseg", base_path=model_dir)).calls


@pytest.fixture(scope="session")
def synth_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base path of the stand-in model, versions 1 and 2."""
    folder = tmp_path_factory.mktemp("recorded") / "synth"
    folder.mkdir()
    for version in (1, 2):
        save_synth(folder, version)
    return folder


@pytest.fixture
def long_run(numbers: Iterator[int]) -> Iterator[Callable[[Path], LongRun]]:
    """Makes long runs of the model in a folder; all of them end with the test."""
    made = []

    def make(folder: Path) -> LongRun:
        made.append(LongRun(folder, next(numbers)))
        return made[-1]

    yield make
    for run in made:
        run.end()


@pytest.fixture
def begin_long_run(
    long_run: Callable[[Path], LongRun], eventually: Callable[..., bool]
) -> Callable[[Calls, Path], BegunRun]:
    """Asks the model in a folder for a long run and waits for its begin: it, and its answer."""

    def begin(calls: Calls, folder: Path) -> BegunRun:
        run = long_run(folder)
        request = calls.request("slow", image=run.image)
        future = calls.prediction.Predict.future(request, timeout=TIMEOUT_S)
        assert eventually(run.has_begun)
        return run, future

    return begin


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Numbers of long runs; 1 is that of requests which nobody ends."""
    return itertools.count(2)


@pytest.fixture(scope="session", name="save_synth")
def _save_synth() -> Callable[[Path, int], Path]:
    return save_synth


@pytest.fixture(scope="session", name="synth_config")
def _synth_config() -> Callable[..., ModelConfig]:
    return synth_config


@pytest.fixture(scope="session", name="synth_entry")
def _synth_entry() -> Callable[..., dict[str, object]]:
    return synth_entry


@pytest.fixture(scope="session")
def packed(synth_dir: Path, start: Callable[..., Running]) -> Calls:
    """The stand-in model, answered in raw bytes by our server."""
    return start(synth_config(synth_dir, stable=1, canary=2)).calls


@pytest.fixture(scope="session", params=["embedded", "TF Serving"])
def typed(
    request: pytest.FixtureRequest,
    synth_dir: Path,
    start: Callable[..., Running],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Calls]:
    """The stand-in model, in typed fields, by our server and by TF Serving if there is one."""
    if request.param == "embedded":
        config = synth_config(synth_dir, stable=1, canary=2)
        yield start(config, packed=False, labels_for_unavailable=True).calls
    else:
        yield from tf_serving(synth_dir, tmp_path_factory.mktemp("tfs"))


def tf_serving(synth_dir: Path, folder: Path) -> Iterator[Calls]:
    """TF Serving with the stand-in model; needs its binary, or one that runs and sees our files."""
    binary, address = os.environ.get(BINARY_VARIABLE), os.environ.get(ADDRESS_VARIABLE)
    if not binary and not address:
        pytest.skip(f"no TF Serving: set {BINARY_VARIABLE} or {ADDRESS_VARIABLE}")
    child = None
    if not address:
        config = folder / "models.config"
        config.write_text(
            f'model_config_list {{ config {{ name: "synth" base_path: "{synth_dir}" '
            'model_platform: "tensorflow" model_version_policy { all {} } } }'
        )
        address = f"unix:{folder}/tfs"
        child = subprocess.Popen(
            [
                str(binary),
                "--port=0",
                f"--grpc_socket_path={folder}/tfs",
                f"--model_config_file={config}",
                "--allow_version_labels_for_unavailable_models=true",
                "--enable_grpc_healthcheck_service=true",
            ]
        )
    channel = grpc.insecure_channel(address, OPTIONS)
    grpc.channel_ready_future(channel).result(timeout=TIMEOUT_S)
    calls = Calls(channel, "synth")
    # Labels last: one of a version that is still loading is refused.
    calls.reload(synth_entry(synth_dir))
    calls.await_states({1: State.AVAILABLE, 2: State.AVAILABLE})
    calls.reload(synth_entry(synth_dir, stable=1, canary=2))
    yield calls
    channel.close()
    if child is not None:
        child.terminate()
        child.wait(TIMEOUT_S)


@pytest.fixture
def connect() -> Iterator[Callable[..., Calls]]:
    """Opens channels to running servers, closed at the end."""
    channels = []

    def open_channel(address: str, model: str = "synthseg") -> Calls:
        channels.append(grpc.insecure_channel(address, OPTIONS))
        return Calls(channels[-1], model)

    yield open_channel
    for channel in channels:
        channel.close()


@pytest.fixture(scope="session")
def run_main() -> Callable[..., tuple[int, str]]:
    """Runs the command in this process; exit code and everything it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        return result.exit_code, result.output

    return run


@pytest.fixture(scope="session")
def make_python() -> Callable[[str], str]:
    """Runs code in a fresh interpreter and answers what it printed."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def eventually() -> Callable[..., bool]:
    """A function that tells whether something becomes true in time."""

    def wait(check: Callable[[], bool], timeout_s: float = 120) -> bool:
        end = time.monotonic() + timeout_s
        while not check():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    return wait
