"""The model as a caller sees it: defaults, signatures, refusals, encodings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from server_calls import Calls, Running, refused
from synthseg_common import contract
from synthseg_serving.versions import ModelConfig
from synthseg_trainer.network.bundle import Bundle


def test_request_with_only_an_image_uses_the_defaults(served: Calls, scan: np.ndarray) -> None:
    answer = served.predict("", (contract.LABELS, contract.NETWORK_SHAPE), image=scan)
    assert answer[contract.NETWORK_SHAPE].tolist() == [contract.DEFAULT_MIN_SIZE] * 3
    assert answer[contract.LABELS].shape == scan.shape
    plain = served.predict("", (contract.LABELS,), image=scan, flip=False)
    assert (plain[contract.LABELS] != answer[contract.LABELS]).any()


def test_signature_tells_shapes_types_and_defaults(served: Calls) -> None:
    signature = served.metadata().signature_def[contract.SEGMENT_SIGNATURE]
    sizes = {n: [d.size for d in i.tensor_shape.dim] for n, i in signature.inputs.items()}
    assert sizes == {"image": [-1, -1, -1], "min_size": [3], "flip": [], "smooth": []}
    defaults = {n: tf.make_ndarray(t).tolist() for n, t in signature.defaults.items()}
    assert defaults == {"min_size": [128, 128, 128], "flip": True, "smooth": True}
    assert set(signature.outputs) == {
        contract.LABELS,
        contract.NETWORK_LABELS,
        *contract.EVIDENCE,
        *contract.DENSE,
    }


def test_describe_answers_the_label_table(served: Calls, bundle: Bundle) -> None:
    table = served.predict(contract.DESCRIBE_SIGNATURE)
    assert table[contract.LABEL_VALUES].tolist() == list(bundle.labels.values)
    assert [n.decode() for n in table[contract.LABEL_NAMES]] == list(bundle.labels.names)
    assert table[contract.TOPOLOGY_CLASSES].tolist() == list(bundle.labels.topology_classes)
    assert table[contract.FLIP_CHANNELS].tolist() == list(bundle.labels.flip_channels)
    info = json.loads(table[contract.MODEL_INFO].item())
    assert info["contract"] == contract.VERSION
    assert (info["name"], info["version"], info["licence"]) == ("small", 1, "x")
    assert info["network"]["stem"] == 2


def test_graphs_refusal_reaches_the_caller(served: Calls) -> None:
    image = np.full((8, 8, 8), np.inf, np.float32)
    code, details = refused(lambda: served.predict("", (contract.LABELS,), image=image))
    assert code == "INVALID_ARGUMENT"
    assert "every voxel of image must be finite" in details


def test_answer_that_no_message_holds_is_refused(
    start: Callable[..., Running], synth_config: Callable[..., ModelConfig], synth_dir: Path
) -> None:
    calls = start(synth_config(synth_dir), largest_answer_bytes=1000).calls
    image = np.ones((11, 10, 10), np.float32)
    code, details = refused(lambda: calls.predict("", image=image))
    assert code == "OUT_OF_RANGE"
    assert "the answer has 1104 bytes, a message holds 1000" in details
    assert calls.predict("", ("volumes",), image=image)["volumes"].tolist() == [1100]


def test_long_messages_are_cut(served: Calls) -> None:
    _, details = refused(lambda: served.predict("x" * 2000))
    assert details.endswith("...TRUNCATED")
    assert len(details) == 1024 + len("...TRUNCATED")


def test_answers_do_not_depend_on_the_encoding(
    start: Callable[..., Running], model_dir: Path, served: Calls
) -> None:
    typed = start(ModelConfig(name="synthseg", base_path=model_dir), packed=False).calls
    image = np.random.default_rng(0).uniform(size=(20, 20, 20)).astype(np.float32)
    least = np.full(3, 32, np.int32)
    one, other = (calls.predict(image=image, min_size=least) for calls in (served, typed))
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])
