"""A trained network becomes a version on disk, whole or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from synthseg_client.answers.evidence import read_evidence
from synthseg_common import contract
from synthseg_common.errors import TRY_AGAIN, exit_code_of
from synthseg_serving import export as export_module
from synthseg_serving.errors import ExportError
from synthseg_serving.export import export_bundle, model_info, next_version
from synthseg_trainer.network.bundle import Bundle
from synthseg_trainer.runs.checkpoints import find_bundle
from tensorflow.core.protobuf import saved_model_pb2


def test_saved_model_carries_the_defaults(model_dir: Path) -> None:
    data = (model_dir / "1" / "saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(data).meta_graphs
    defaults = graph.signature_def[contract.SEGMENT_SIGNATURE].defaults
    assert tf.make_ndarray(defaults["min_size"]).tolist() == [128] * 3
    assert tf.make_ndarray(defaults["flip"]).item() is True
    assert list(graph.meta_info_def.tags) == ["serve"]


def test_weights_are_stored_once(model_dir: Path, bundle: Bundle) -> None:
    weights = sum(value.nbytes for value in bundle.weights.values())
    (variables,) = (model_dir / "1" / "variables").glob("*.data*")
    # Parity kernels hold more taps than the kernels that they replace, the head is there twice.
    assert weights < variables.stat().st_size < 2.5 * weights
    assert (model_dir / "1" / "saved_model.pb").stat().st_size < 1_000_000


def test_model_loads_in_tensorflow_too(model_dir: Path) -> None:
    signature = tf.saved_model.load(str(model_dir / "1")).signatures[contract.SEGMENT_SIGNATURE]
    image = tf.constant(np.ones((8, 8, 8), np.float32))
    on = tf.constant(True)
    answer = signature(image=image, min_size=tf.constant([32] * 3), flip=on, smooth=on)
    assert answer[contract.LABELS].shape == (8, 8, 8)


def test_model_whose_labels_have_no_topological_class_answers(
    bundle: Bundle, tmp_path: Path
) -> None:
    plain = dataclasses.replace(bundle.labels, topology_classes=(0,) * 33)
    folder = export_bundle(dataclasses.replace(bundle, labels=plain), tmp_path)
    signature = tf.saved_model.load(str(folder)).signatures[contract.SEGMENT_SIGNATURE]
    image = np.random.default_rng(0).uniform(0, 200, (20, 24, 28)).astype(np.float32)
    on = tf.constant(True)
    answer = signature(image=tf.constant(image), min_size=tf.constant([32] * 3), flip=on, smooth=on)
    arrays = {name: tensor.numpy() for name, tensor in answer.items()}
    dense = read_evidence(arrays, image.shape, 33)
    assert arrays.pop(contract.POSTERIORS).size
    found = read_evidence(arrays, image.shape, 33)
    assert found.channels[:, 0].tolist() == list(range(33))
    np.testing.assert_array_equal(found.probability, dense.probability)


def test_other_weights_are_told_from_these(bundle: Bundle) -> None:
    other = {**bundle.weights, "unet_likelihood/bias": bundle.weights["unet_likelihood/bias"] + 1}
    told = [model_info(dataclasses.replace(bundle, weights=w), 1) for w in (bundle.weights, other)]
    differing = [key for key in told[0] if told[0][key] != told[1][key]]
    assert differing == ["weights_sha256"]


def test_versions_count_up_and_never_overwrite(bundle: Bundle, tmp_path: Path) -> None:
    assert next_version(tmp_path) == 1
    (tmp_path / "7").mkdir()
    (tmp_path / "x9").mkdir()
    assert next_version(tmp_path) == 8
    with pytest.raises(ExportError, match="exists; choose another version"):
        export_bundle(bundle, tmp_path, version=7)


def test_failed_export_leaves_nothing(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_module, "write_warmup", fail)
    with pytest.raises(ExportError, match="the disk is full"):
        export_bundle(bundle, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_label_table_of_another_length_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    from synthseg_common.labels import SYNTHSEG_V1

    wrong = Bundle(network=bundle.network, labels=SYNTHSEG_V1, weights=bundle.weights)
    with pytest.raises(ExportError, match="33 channels, the label table 32 rows"):
        export_bundle(wrong, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_voxels_that_are_no_cubes_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    flat = dataclasses.replace(bundle, info={**bundle.info, "voxel_size_mm": [1.0, 2.0]})
    with pytest.raises(ExportError, match=r"sides of 1\.0 and 2\.0 mm"):
        export_bundle(flat, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("voxels", [1, 128**3 - 1, 1024**3 + 1])
def test_a_budget_that_no_request_or_any_would_fit_is_refused(
    run_main: Callable[..., tuple[int, str]], voxels: int, bundle_file: Path, tmp_path: Path
) -> None:
    code, output = run_main("export", bundle_file, tmp_path / "models", "--max-voxels", voxels)
    assert code == 2
    assert "a model takes from 2097152 voxels" in output
    assert f"got {voxels}" in output
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("source", ["bundle", "checkpoint", "run"])
def test_bundle_is_found_in_file_checkpoint_and_run(source: str, tmp_path: Path) -> None:
    for step in (200, 1000):
        folder = tmp_path / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        (folder / "model.npz").touch()
    newest = tmp_path / "checkpoints" / "step-00001000"
    paths = {"bundle": newest / "model.npz", "checkpoint": newest, "run": tmp_path}
    assert find_bundle(paths[source]) == newest / "model.npz"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tf.errors.ResourceExhaustedError, "the disk is full"),
        (tf.errors.PermissionDeniedError, "Permission denied"),
        (tf.errors.UnknownError, "Input/output error"),
    ],
)
def test_a_disk_that_fails_tensorflow_is_another_try(
    tmp_path: Path,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Exception],
    words: str,
) -> None:
    def fail(*_: object) -> None:
        raise kind(None, None, "Graph execution error:\n\n/models/1; No space left")

    monkeypatch.setattr("synthseg_serving.export.write_warmup", fail)
    with pytest.raises(ExportError, match=words) as caught:
        export_bundle(bundle, tmp_path / "models")
    assert exit_code_of(caught.value) == TRY_AGAIN
    assert list((tmp_path / "models").iterdir()) == []
