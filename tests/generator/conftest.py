"""Label maps as files and as a store, small and made in code."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from generator_fixtures import MakeHead, OpenScheduler, ReadLayer, Scheduler
from scan_pairs import store_pairs
from synthseg_common.arrays import AnyArray
from synthseg_generator import BrainGenerator
from synthseg_generator.cluster.connection import open_cluster
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.settings.generator import (
    Acquisition,
    Crop,
    Elastic,
    GeneratorSettings,
    Uniform,
    cube,
)
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import LabelStore, open_store

_START_S = 120
HEADS: dict[str, dict[str, Any]] = {
    "alice": {"shape": (40, 44, 42)},
    "bob": {"shape": (40, 44, 42), "size": 0.9},
    "carol": {"shape": (44, 40, 38), "size": 0.95},
}


def save_map(path: Path, labels: AnyArray, axes: str = "RAS", voxel_mm: float = 1.0) -> Path:
    """Writes a map given in RAS, stored with other axes; the world's origin is its first voxel."""
    image = nib.Nifti1Image(labels, np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0]))
    source = nib.orientations.axcodes2ornt("RAS")
    turned = image.as_reoriented(
        nib.orientations.ornt_transform(source, nib.orientations.axcodes2ornt(axes))
    )
    kind = nib.MGHImage if path.suffix in (".mgz", ".mgh") else nib.Nifti1Image
    nib.save(kind(np.asanyarray(turned.dataobj), turned.affine), path)
    return path


@pytest.fixture(scope="session")
def write_map() -> Callable[..., Path]:
    """The function `save_map`."""
    return save_map


@pytest.fixture(scope="session")
def head_folder(tmp_path_factory: pytest.TempPathFactory, make_head: MakeHead) -> Path:
    """Three heads of two shapes, each stored in another orientation and format."""
    folder = tmp_path_factory.mktemp("label_maps")
    files = zip(("alice.nii.gz", "bob.nii", "carol.mgz"), ("LIA", "RAS", "PSR"), strict=True)
    for (name, axes), options in zip(files, HEADS.values(), strict=True):
        save_map(folder / name, make_head(**options), axes)
    (folder / "LICENSE.txt").write_text("not a label map")
    return folder


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory, head_folder: Path) -> Path:
    """A store of the three heads; not to be written to."""
    path = tmp_path_factory.mktemp("store") / "heads.zarr"
    ingest(head_folder, path, LABEL_TABLES["v2"])
    return path


@pytest.fixture(scope="session")
def store(store_path: Path) -> LabelStore:
    """The opened store of the three heads."""
    return open_store(store_path)


@pytest.fixture(scope="session")
def scan_store(tmp_path_factory: pytest.TempPathFactory, make_head: MakeHead) -> LabelStore:
    """Two heads whose scans show the left white matter bright, and the right half as bright."""
    pairs = []
    for number, size in enumerate((1.0, 0.9)):
        labels = make_head((36, 40, 38), size=size)
        pairs.append(
            (f"head_{number}", labels, np.select([labels == 2, labels == 41], [1000, 500]))
        )
    return store_pairs(tmp_path_factory.mktemp("pairs"), pairs)


@pytest.fixture(scope="session")
def small_settings() -> GeneratorSettings:
    """A generative model with crops of 16 voxels a side and mild settings that suit small heads."""
    return GeneratorSettings(
        crop=Crop(shape=(16, 16, 16)),
        elastic=Elastic(strength=Uniform(0.0, 1.0), scale=0.1),
        acquisition=Acquisition(max_isotropic_mm=cube(2), max_anisotropic_mm=cube(3)),
    )


@pytest.fixture(scope="package")
def cluster() -> Iterator[Any]:
    """A client of four real Dask worker processes, started once for all tests that need workers."""
    with open_cluster(4) as client:
        yield client


@pytest.fixture
def scheduler_with(tmp_path: Path) -> OpenScheduler:
    """Starts a scheduler and a worker as processes of their own: (process, address).

    They write to files, since nobody reads their pipes. One worker that dies ends its task.
    Arguments are what they have in their environment.
    """

    @contextmanager
    def open_scheduler(**variables: str) -> Iterator[Scheduler]:
        file, log = tmp_path / "scheduler.json", (tmp_path / "log").open("wb")
        failures = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}

        def start(command: str, *options: str) -> subprocess.Popen[bytes]:
            program = [sys.executable, "-m", f"distributed.cli.dask_{command}", "--no-dashboard"]
            return subprocess.Popen(
                [*program, f"--scheduler-file={file}", *options],
                stdout=log,
                stderr=log,
                env={**os.environ, **failures, **variables},
            )

        running = [start("scheduler", "--host=127.0.0.1", "--port=0")]
        try:
            running.append(start("worker", "--nthreads=2", "--no-nanny"))
            deadline = time.monotonic() + _START_S
            while not file.exists() or not file.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield running[0], json.loads(file.read_text())["address"]
        finally:
            for process in running:
                process.kill()
                process.wait()
            log.close()

    return open_scheduler


@pytest.fixture
def scheduler(scheduler_with: OpenScheduler) -> Iterator[Scheduler]:
    """A scheduler and a worker that a test may kill: (process, address)."""
    with scheduler_with() as running:
        yield running


@pytest.fixture(scope="session")
def recorded_layer(shared_data: Path) -> ReadLayer:
    """A function that reads what a layer of the official code was given and gave back."""

    def read(name: str) -> dict[str, AnyArray]:
        with np.load(shared_data / "reference" / "layers" / f"{name}.npz") as file:
            return {key: file[key] for key in file.files}

    return read


class _ObjectServer(SimpleHTTPRequestHandler):
    """Serves files and, as object stores do, lists no folders; at `/busy` it fails."""

    def send_head(self) -> Any:
        """Answers, or fails."""
        if not self.path.startswith("/busy"):
            return super().send_head()
        self.send_error(503)
        return None

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def list_directory(self, path: object) -> None:
        """Refuses."""
        self.send_error(403)


@pytest.fixture(scope="package")
def store_url(store_path: Path) -> Iterator[str]:
    """Address of a web server that holds the store of the three heads."""
    handler = functools.partial(_ObjectServer, directory=store_path.parent)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{store_path.name}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def generator(store: LabelStore, small_settings: GeneratorSettings) -> BrainGenerator:
    """Synthetic scans of the three heads, with seed 1."""
    return BrainGenerator(store, small_settings, seed=1)
