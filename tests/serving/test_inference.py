"""The served graph against the same steps in NumPy and Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from synthseg_common import contract
from synthseg_common.arrays import FloatArray
from synthseg_serving.errors import CallError, ExportError
from synthseg_serving.inference import Segmenter
from synthseg_serving.servable import Servable
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import Bundle, assign_weights
from synthseg_trainer.network.unet import build_unet


@pytest.fixture(scope="module")
def servable(model_dir: Path) -> Servable:
    return Servable(model_dir / "1", 1, threads=2)


def segment(
    servable: Servable, image: np.ndarray, *outputs: str, flip: bool = True, min_size: int = 32
) -> Mapping[str, np.ndarray]:
    signature = servable.signatures[contract.SEGMENT_SIGNATURE]
    sizes = np.full(3, min_size, np.int32)
    inputs = {
        contract.IMAGE: image,
        contract.MIN_SIZE: sizes,
        contract.FLIP: np.array(flip),
        contract.SMOOTH: np.array(True),
    }
    return servable.run(signature, inputs, list(outputs or signature.outputs))


def reference_posterior(bundle: Bundle, image: np.ndarray, flip: bool) -> np.ndarray:
    """Averaged, smoothed posterior on the padded grid, as the original computes it."""
    low, high = np.percentile(image, (0.5, 99.5))
    image = (np.clip(image, low, high) - low) / (high - low)
    grid = [-(-n // 32) * 32 for n in image.shape]
    front = [(g - n) // 2 for g, n in zip(grid, image.shape, strict=True)]
    ends = [(f, g - n - f) for f, g, n in zip(front, grid, image.shape, strict=True)]
    volume = np.pad(image, ends).astype(np.float32)
    model = build_unet(bundle.network)
    assign_weights(model, bundle.weights)

    def one_pass(x: FloatArray) -> FloatArray:
        softmax: FloatArray = tf.nn.softmax(model(x[np.newaxis, ..., np.newaxis], training=False))[
            0
        ].numpy()
        return softmax

    posterior = one_pass(volume)
    if flip:
        # Behind a stem of 2 the mirrored pass is shifted by a voxel, so that it sees other blocks.
        shift = bundle.network.stem // 2
        moved = np.roll(volume, (shift, shift), (1, 2))
        mirrored = one_pass(moved[::-1])[::-1][..., list(bundle.labels.flip_channels)]
        posterior = 0.5 * (posterior + np.roll(mirrored, (-shift, -shift), (1, 2)))
    line = np.exp(-2.0 * np.array([-1, 0, 1]) ** 2)
    kernel = line[:, None, None] * line[:, None] * line
    kernel = (kernel / kernel.sum())[..., np.newaxis]
    smoothed: FloatArray = ndimage.convolve(posterior, kernel, mode="constant")
    return smoothed


@pytest.mark.parametrize("flip", [True, False])
def test_answers_what_the_original_computes(
    servable: Servable, bundle: Bundle, scan: np.ndarray, flip: bool
) -> None:
    expected = reference_posterior(bundle, scan, flip)
    answer = segment(servable, scan, flip=flip)
    assert answer[contract.NETWORK_SHAPE].tolist() == list(expected.shape[:3]) == [64, 64, 64]
    offset = answer[contract.OFFSET]
    assert offset.tolist() == [13, 9, 7]
    inside = tuple(slice(o, o + n) for o, n in zip(offset, scan.shape, strict=True))
    values = np.array(bundle.labels.values)
    labels = values[expected[inside].argmax(-1)]
    assert answer[contract.LABELS].dtype == np.uint8
    assert np.mean(answer[contract.LABELS] == labels) > 0.9999
    structures = expected[..., 1:].sum(-1)
    bits = np.unpackbits(answer[contract.FOREGROUND]).astype(bool).reshape(expected.shape[:3])
    sure = np.abs(structures - contract.FOREGROUND_THRESHOLD) > 1e-4
    np.testing.assert_array_equal(bits[sure], structures[sure] > contract.FOREGROUND_THRESHOLD)
    assert 0.1 < bits.mean() < 0.9
    np.testing.assert_allclose(answer[contract.POSTERIORS], expected[bits], atol=1e-3)


def test_evidence_holds_the_strongest_and_the_unfiltered_channels(
    servable: Servable, bundle: Bundle, scan: np.ndarray
) -> None:
    answer = segment(servable, scan)
    dense = answer[contract.POSTERIORS].astype(np.float32)
    csf = bundle.labels.values.index(24)
    assert answer[contract.FIXED_CHANNELS].tolist() == [0, csf]
    np.testing.assert_array_equal(answer[contract.FIXED_PROBABILITY], dense[:, [0, csf]])
    top, channels = answer[contract.TOP_PROBABILITY], answer[contract.TOP_CHANNELS]
    assert top.shape == channels.shape == (len(dense), contract.TOP_K)
    assert channels.dtype == np.uint8
    assert not np.isin(channels, [0, csf]).any()
    others = np.delete(dense, [0, csf], axis=1)
    np.testing.assert_array_equal(top, -np.sort(-others, axis=1)[:, : contract.TOP_K])
    np.testing.assert_array_equal(np.take_along_axis(dense, channels.astype(int), 1), top)


def test_without_a_stem_flipping_the_scan_flips_the_labels(
    make_bundle: Callable[..., Bundle], scan: np.ndarray
) -> None:
    bundle = make_bundle(NetworkSettings(n_labels=33, features=4, n_levels=2))
    segmenter = Segmenter(bundle, {})

    def labels_of(image: np.ndarray) -> np.ndarray:
        sizes = tf.constant([32] * 3)
        answer = segmenter.segment(tf.constant(image), sizes, tf.constant(True), tf.constant(True))
        found: np.ndarray = answer[contract.LABELS].numpy()
        return found

    # An even difference to the grid, so that padding is the same on both sides.
    image = scan[:36]
    channels = {v: i for i, v in enumerate(bundle.labels.values)}
    other = np.array(bundle.labels.values)[list(bundle.labels.flip_channels)]
    plain = labels_of(image)
    swapped = other[np.vectorize(channels.get)(labels_of(image[::-1])[::-1])]
    # The mirrored pass is kept in fewer bits, so ties may fall the other way.
    assert np.mean(swapped == plain) > 0.999
    assert len(np.unique(plain)) > 5


def test_grid_is_at_least_min_size_rounded_up(servable: Servable, scan: np.ndarray) -> None:
    for size, grid in ((1, 64), (64, 64), (65, 96)):
        answer = segment(servable, scan, contract.NETWORK_SHAPE, min_size=size)
        assert answer[contract.NETWORK_SHAPE].tolist() == [grid] * 3


@pytest.mark.parametrize("flip", [True, False])
def test_only_what_is_asked_for_is_computed(
    servable: Servable, scan: np.ndarray, flip: bool
) -> None:
    signature = servable.signatures[contract.SEGMENT_SIGNATURE]
    feeds = {
        signature.inputs[contract.IMAGE].name: scan,
        signature.inputs[contract.MIN_SIZE].name: [32] * 3,
        signature.inputs[contract.FLIP].name: flip,
        signature.inputs[contract.SMOOTH].name: True,
    }

    def operations(*outputs: str) -> str:
        trace = tf.compat.v1.RunMetadata()
        servable._session.run(
            [signature.outputs[name].name for name in outputs],
            feeds,
            options=tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE),
            run_metadata=trace,
        )
        nodes = [n for device in trace.step_stats.dev_stats for n in device.node_stats]
        return " ".join(n.timeline_label for n in nodes)

    assert "TopKV2" in operations(*contract.EVIDENCE)
    labels_only = operations(contract.LABELS)
    assert "ArgMax" in labels_only
    assert "TopKV2" not in labels_only
    assert "ArgMax" not in operations(*contract.EVIDENCE)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image": np.zeros((4, 5), np.float32)}, r"image must have 3 axes.*\[4 5\]"),
        ({"image": np.zeros((4, 5, 6, 1), np.float32)}, r"image must have 3 axes.*\[4 5 6 1\]"),
        ({"image": np.zeros((0, 5, 6), np.float32)}, r"image must hold voxels.*\[0 5 6\]"),
        ({"image": np.full((4, 4, 4), np.nan, np.float32)}, r"must be finite.*\[64\]"),
        ({"min_size": np.array([64, 64], np.int32)}, r"min_size must hold 3 sizes.*\[2\]"),
        ({"min_size": np.array([64, 0, 64], np.int32)}, r"min_size must be 1 or more.*\[64 0 64\]"),
        (
            {"min_size": np.array([64, 1025, 64], np.int32)},
            r"1024 voxels per axis at most.*\[64 1056 64\]",
        ),
        ({"flip": np.array([True, False])}, r"flip must be a scalar.*\[2\]"),
        ({"smooth": np.array([True, False])}, r"smooth must be a scalar.*\[2\]"),
    ],
)
def test_graph_refuses_bad_requests(
    servable: Servable, changed: dict[str, np.ndarray], message: str
) -> None:
    inputs = {
        "image": np.ones((8, 8, 8), np.float32),
        "min_size": np.full(3, 32, np.int32),
        "flip": np.array(True),
        "smooth": np.array(True),
    }
    signature = servable.signatures[contract.SEGMENT_SIGNATURE]
    with pytest.raises(CallError, match=message) as error:
        servable.run(signature, {**inputs, **changed}, [contract.LABELS])
    assert error.value.code == "INVALID_ARGUMENT"


def test_network_that_is_shown_more_than_an_image_is_refused(
    make_bundle: Callable[..., Bundle],
) -> None:
    network = NetworkSettings(n_labels=33, features=2, n_levels=3, n_channels=2)
    with pytest.raises(ExportError, match="takes 2 channels; only 1 can be served"):
        Segmenter(make_bundle(network), {})


def test_constant_scan_is_segmented(servable: Servable) -> None:
    labels = segment(servable, np.full((9, 9, 9), 7, np.float32), contract.LABELS)
    assert labels[contract.LABELS].shape == (9, 9, 9)
