"""The estimate of a request's memory against what the kernel counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from synthseg_serving.export import export_bundle
from synthseg_serving.footprint import bytes_per_voxel
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import Bundle

EDGE = 128
NETWORKS = {
    "the original": NetworkSettings(n_labels=33),
    "as the shipped one": NetworkSettings(
        n_labels=33,
        features=32,
        max_features=128,
        stem=2,
        detail_features=64,
        normalization="instance",
    ),
    "as the small shipped one": NetworkSettings(
        n_labels=33, features=16, max_features=128, stem=2, normalization="instance"
    ),
}
# Nothing that was computed before has to have left memory behind, hence a process of its own.
_MEASURE = """
import sys
sys.path.insert(0, {helpers!r})
import json
from pathlib import Path
import numpy as np
from process_memory import peak_growth
from synthseg_common import contract
from synthseg_serving.servable import Servable
servable = Servable(Path({folder!r}), 1, threads=2)
image = np.random.default_rng(0).uniform(0, 100, ({edge},) * 3).astype(np.float32)
inputs = {{"image": image, "min_size": np.full(3, 32, np.int32), "flip": np.array(True)}}
inputs["smooth"] = np.array(True)
with peak_growth() as growth:
    servable.run(servable.signatures[contract.SEGMENT_SIGNATURE], inputs, [*contract.EVIDENCE])
print(json.dumps([growth.mib * 2**20 / image.size, servable.budget.bytes_per_voxel]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_estimate_is_near_what_a_request_takes(
    name: str,
    make_bundle: Callable[..., Bundle],
    make_python: Callable[[str], str],
    tmp_path: Path,
) -> None:
    folder = export_bundle(make_bundle(NETWORKS[name]), tmp_path / "model")
    helpers = Path(__file__).resolve().parents[1] / "helpers"
    code = _MEASURE.format(helpers=str(helpers), folder=str(folder), edge=EDGE)
    measured, estimated = json.loads(make_python(code).splitlines()[-1])
    assert estimated == bytes_per_voxel(NETWORKS[name])
    # Below, servers would refuse what they can hold; above, die of what they cannot.
    assert 0.6 * estimated < measured < 1.2 * estimated


def test_more_labels_and_more_features_take_more() -> None:
    plain = bytes_per_voxel(NetworkSettings(n_labels=33))
    assert plain == 505
    assert bytes_per_voxel(NetworkSettings(n_labels=66)) > plain
    assert bytes_per_voxel(NetworkSettings(n_labels=33, features=48)) > plain
    assert bytes_per_voxel(NetworkSettings(n_labels=33, stem=2)) < plain
