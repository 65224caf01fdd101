"""What the page of compatibility says: newer formats are refused by name, additions ignored."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_server import ContractServer, serving
from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.session import Session
from synthseg_client.errors import ModelError
from synthseg_client.results import journal
from synthseg_client.results.journal import Entry, Journal
from synthseg_common import contract
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_generator import sample_files
from synthseg_generator.feed import plan
from synthseg_generator.store import label_store
from synthseg_serving import versions
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network import bundle as bundles
from synthseg_trainer.runs import checkpoints

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/compatibility.md"
NUMBERS = {
    "contract": contract.VERSION,
    "label store": label_store.STORE_FORMAT_VERSION,
    "plan": plan.PLAN_FORMAT_VERSION,
    "sample files": sample_files.MANIFEST_VERSION,
    "bundle": bundles.FORMAT_VERSION,
    "checkpoint": checkpoints.FORMAT_VERSION,
    "journal": journal._FORMAT,
    "exported model": versions.FORMAT_VERSION,
}
# As version 1 wrote it: a request for the labels of an image of 1 x 1 x 2 voxels.
REQUEST_V1 = bytes.fromhex(
    "0a0a0a0873796e746873656712230a05696d616765121a0801120c12020801"
    "12020801120208022208000000000000803f1a066c6162656c73"
)
JOURNAL_V1 = (
    '{"format": 1, "labels": "/o/a.nii.gz", "scan": "/i/a.nii.gz", "scan_sha256": "00", '
    '"options": "11", "model": "22", "outputs": {"/o/a.nii.gz": "33"}, "volumes": {"brain": 1.5}, '
    '"quality": {}}\n'
)


def test_the_page_has_the_numbers_of_the_code() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    assert {name: int(number) for name, number in rows} == NUMBERS


def test_a_request_of_version_1_is_read() -> None:
    request = wire.PredictRequest.FromString(REQUEST_V1)
    assert request.model_spec.name == "synthseg"
    image = request.inputs[contract.IMAGE]
    assert [dim.size for dim in image.tensor_shape.dim] == [1, 1, 2]
    assert np.frombuffer(image.tensor_content, np.float32).tolist() == [0, 1]
    assert request.output_filter == [contract.LABELS]
    assert request.SerializeToString(deterministic=True) == REQUEST_V1


def test_what_a_newer_server_adds_travels_through_an_older_client() -> None:
    added = wire.PredictResponse()
    added.model_spec.name = "synthseg"
    newer = added.SerializeToString() + b"\x9a\x06\x03new"  # field 99
    assert wire.PredictResponse.FromString(newer).SerializeToString() == newer
    model = ContractServer(info={"something": "new", "licence": "x"})
    with serving(model) as address, Session(address) as session:
        assert session.describe().info["something"] == "new"


@pytest.mark.parametrize("version", [0, contract.VERSION + 1])
def test_a_model_of_another_contract_is_refused(version: int) -> None:
    model = ContractServer(contract_version=version)
    with (
        serving(model) as address,
        Session(address) as session,
        pytest.raises(ModelError, match=f"speaks version {version} of the contract"),
    ):
        session.describe()


def test_a_journal_of_version_1_is_read_and_a_newer_one_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    newer = JOURNAL_V1.replace('"format": 1', '"format": 2').replace("/o/a", "/o/b")
    path.write_text(JOURNAL_V1 + newer)
    (found,) = Journal(path).read().items()
    assert found == (
        "/o/a.nii.gz",
        Entry("/i/a.nii.gz", "00", "11", "22", {"/o/a.nii.gz": "33"}, {"brain": 1.5}),
    )


@pytest.fixture
def saved_bundle(tmp_path: Path) -> Path:
    network = NetworkSettings(n_labels=33, features=2, n_levels=2)
    weights = {"some/kernel": np.ones(3, np.float32)}
    path = tmp_path / "bundle.npz"
    bundles.save_bundle(
        path, bundles.Bundle(network=network, labels=SYNTHSEG_V2, weights=weights, info={})
    )
    return path


def with_metadata(path: Path, **changes: Any) -> Path:
    """The same bundle with other metadata."""
    other = path.with_name("other.npz")
    with np.load(path) as file:
        arrays = dict(file)
    (key,) = (name for name, values in arrays.items() if values.dtype.kind == "U")
    arrays[key] = np.array(json.dumps({**json.loads(str(arrays[key])), **changes}))
    np.savez(other, **arrays)
    return other


def test_a_newer_bundle_is_refused_and_additions_are_ignored(saved_bundle: Path) -> None:
    newer = with_metadata(saved_bundle, format=bundles.FORMAT_VERSION + 1)
    with pytest.raises(CheckpointError, match=r"other\.npz has bundle format 2, this .* reads 1"):
        bundles.load_bundle(newer)
    added = with_metadata(saved_bundle, something="new")
    assert bundles.load_bundle(added).weights.keys() == {"some/kernel"}
