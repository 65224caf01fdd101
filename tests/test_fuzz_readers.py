"""Every reader of files that others may have written: read, or refused in one line with a name."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from certificates import make_authority
from damage import damaged
from dicom_files import Made, write_multi_frame, write_series
from official_files import write_official
from synthseg_client.bids.dataset import read_description
from synthseg_client.bids.participants import keep_participants
from synthseg_client.dicom.choice import find_series
from synthseg_client.results.journal import Journal
from synthseg_common.certificates import PemFiles
from synthseg_common.errors import SynthSegError
from synthseg_common.files import FileGroup
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_generator.label_table import read_label_table
from synthseg_generator.settings.files import load_settings as load_generator_settings
from synthseg_serving.manifest import MANIFEST, check_version, write_manifest
from synthseg_serving.model_config import read_config_file
from synthseg_serving.official.networks import V2
from synthseg_serving.official.weights import inspect_weights
from synthseg_trainer.config import NetworkSettings, load_settings
from synthseg_trainer.errors import CheckpointError, ConfigError
from synthseg_trainer.network.bundle import Bundle, load_bundle, save_bundle

REPOSITORY = Path(__file__).resolve().parents[1]
FEW = 60
SECONDS = float(os.environ.get("SYNTHSEG_FUZZ_SECONDS", "30"))
"""How long the slow test spends on each reader."""
MOST_BYTES = 200 * 2**20
Read = Callable[[Path], object]


@dataclass(frozen=True)
class Target:
    """A reader, and a sound file for it.

    Attributes:
        name: Of the file.
        make: Writes it; gives the file.
        read: Reads it.
        reach: How much of its start is worth a change.
    """

    name: str
    make: Callable[[Path], Path]
    read: Read
    reach: int | None = None


def make_dicom(folder: Path) -> Path:
    return write_multi_frame(folder / "made.dcm", Made(shape=(16, 16, 12)))


def make_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "scans.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in write_series(folder / "series", Made(shape=(24, 24, 20))):
            packed.write(path, path.name)
    return folder / "scans.zip"


def make_text(text: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "made"
        path.write_text(text)
        return path

    return make


def make_copy(path: str) -> Callable[[Path], Path]:
    return make_text((REPOSITORY / path).read_text())


def make_bundle(folder: Path) -> Path:
    network = NetworkSettings(n_labels=33, features=2, n_levels=2)
    weights = {"some/kernel": np.ones((3, 4), np.float32)}
    save_bundle(
        folder / "b.npz", Bundle(network=network, labels=SYNTHSEG_V2, weights=weights, info={})
    )
    return folder / "b.npz"


def make_manifest(folder: Path) -> Path:
    (folder / "saved_model.pb").write_bytes(b"graph")
    write_manifest(folder, 1)
    return folder / MANIFEST


def read_manifest(path: Path) -> None:
    (path.parent / "saved_model.pb").write_bytes(b"graph")
    check_version(path.parent)


def read_participants(path: Path) -> None:
    group = FileGroup()
    with group:
        keep_participants(path.parent, path.parent / "out", ["sub-1", "sub-2"], group)


JOURNAL = json.dumps(
    {
        "format": 1, "labels": "/o/a.nii", "scan": "/i/a.nii", "scan_sha256": "0", "options": "1",
        "model": "2", "outputs": {"/o/a.nii": "3"}, "volumes": {"brain": 1.5}, "quality": {},
    }
)  # fmt: skip
FAILURE = json.dumps({"format": "failure 1", "labels": "/o/b.nii", "scan": "/b", "error": "no"})
SETTINGS = ("train.yaml", "generate.yaml")
"""Of these all that is wrong is told at once, a line each."""
TARGETS = (
    Target("a.dcm", make_dicom, find_series, 900),
    Target("scans.zip", make_zip, find_series),
    Target("j.jsonl", make_text(f"{JOURNAL}\n{FAILURE}\n" * 2), lambda path: Journal(path).read()),
    Target("labels.yaml", make_copy("examples/own_anatomy/labels.yaml"), read_label_table),
    Target("train.yaml", make_copy("examples/own_anatomy/train.yaml"), load_settings),
    Target(
        "generate.yaml",
        make_copy("generator/synthseg_generator/settings/recipes/released.yaml"),
        load_generator_settings,
    ),
    Target(
        "models.config",
        make_copy("serving/synthseg_serving/tf_serving/models.config"),
        read_config_file,
    ),
    Target(
        "w.h5",
        lambda folder: write_official(folder / "made.h5", V2),
        lambda path: inspect_weights(path).read(),
        6000,
    ),
    Target("b.npz", make_bundle, load_bundle),
    Target(MANIFEST, make_manifest, read_manifest),
    Target(
        "dataset_description.json",
        make_text('{"Name": "a", "BIDSVersion": "1.8.0", "GeneratedBy": [{"Name": "b"}]}'),
        lambda path: read_description(path.parent),
    ),
    Target(
        "participants.tsv",
        make_text("participant_id\tage\nsub-1\t3\nsub-2\tn/a\n"),
        read_participants,
    ),
    Target(
        "ca.pem",
        lambda folder: make_authority(folder / "tls", "server") / "ca.pem",
        lambda path: PemFiles(authorities=path).read(),
    ),
)


def check(target: Target, folder: Path, content: bytes) -> None:
    path = folder / target.name
    path.write_bytes(content)
    try:
        target.read(path)
    except SynthSegError as error:
        said = str(error)
        assert str(path) in said or str(folder) in said, said
        assert "\n" not in said or target.name in SETTINGS, said


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.param
    return found


@pytest.fixture
def sound(target: Target, tmp_path: Path) -> bytes:
    (tmp_path / "sound").mkdir()
    return target.make(tmp_path / "sound").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, sound: bytes) -> Path:
    (tmp_path / "damaged").mkdir()
    return tmp_path / "damaged"


def test_a_sound_file_is_read(target: Target, sound: bytes, folder: Path) -> None:
    (folder / target.name).write_bytes(sound)
    if target.name == "train.yaml":
        with pytest.raises(ConfigError, match="names no label store"):
            target.read(folder / target.name)
    else:
        target.read(folder / target.name)


@pytest.mark.filterwarnings("ignore")  # libraries warn of what is odd in files
def test_damaged_files_are_read_or_refused(target: Target, sound: bytes, folder: Path) -> None:
    for number in range(FEW // 5 if target.name == "w.h5" else FEW):
        check(target, folder, damaged(sound, number, target.reach))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused_for_a_while_within_bounded_memory(
    target: Target, sound: bytes, folder: Path
) -> None:
    tracemalloc.start()
    try:
        end, number = time.monotonic() + SECONDS, FEW
        while time.monotonic() < end:
            check(target, folder, damaged(sound, number, target.reach))
            number += 1
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_a_bundle_packed_by_another_version_of_zip_is_refused(tmp_path: Path) -> None:
    content = bytearray(make_bundle(tmp_path).read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 6] = 75  # version that is needed, of the first entry in the directory
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"other\.npz is not a model bundle"):
        load_bundle(path)
