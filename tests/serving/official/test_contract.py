"""What the robust chain, parcels and quality answer and refuse, at every server."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from server_calls import Calls, Input, refused
from synthseg_common import contract
from synthseg_common.arrays import AnyArray
from synthseg_common.labels import SYNTHSEG_V2, SegmentationLabels
from synthseg_common.parcels import (
    LEFT_CORTEX,
    PARCELS,
    PARCELS_PER_SIDE,
    QUALITY_GROUPS,
    RIGHT_CORTEX,
)

Ask = Callable[[str], Calls]
SHAPE = (30, 20, 25)
GRID = (32, 32, 32)
CSF = 24


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 100, SHAPE).astype(np.float32)


def labels_on(shape: tuple[int, int, int]) -> np.ndarray:
    """Left and right cortex, white matter, and nothing at the borders."""
    labels = np.zeros(shape, np.uint8)
    labels[5:14, 4:16, 5:20], labels[14:22, 4:16, 5:20] = LEFT_CORTEX, RIGHT_CORTEX
    labels[8:18, 8:12, 9:15] = 2
    return labels


def parcels(ask: Ask, scan: np.ndarray, **changed: Input) -> dict[str, AnyArray]:
    inputs: dict[str, Input] = {
        contract.IMAGE: scan,
        contract.NETWORK_LABELS: labels_on(GRID),
        contract.CLEAN_LABELS: labels_on(SHAPE),
    }
    return ask(contract.PARCELS_MODEL_NAME).answer({**inputs, **changed})


def scores(ask: Ask, **inputs: Input) -> dict[str, AnyArray]:
    return ask(contract.QUALITY_MODEL_NAME).answer({contract.SCORED_SIZE: 32, **inputs})


@pytest.mark.parametrize(
    ("name", "table", "role"),
    [
        (contract.ROBUST_MODEL_NAME, SYNTHSEG_V2, contract.SEGMENTER),
        (contract.PARCELS_MODEL_NAME, PARCELS, contract.PARCELLATOR),
        (contract.QUALITY_MODEL_NAME, QUALITY_GROUPS, contract.SCORER),
    ],
)
def test_models_say_what_they_are(
    ask: Ask, name: str, table: SegmentationLabels, role: str
) -> None:
    told = ask(name).predict(contract.DESCRIBE_SIGNATURE)
    assert told[contract.LABEL_VALUES].tolist() == list(table.values)
    info = json.loads(told[contract.MODEL_INFO].item())
    assert info.get(contract.ROLE, contract.SEGMENTER) == role
    assert info["name"] == name
    assert info[contract.MAX_VOXELS] == contract.DEFAULT_MAX_VOXELS
    assert info[contract.BYTES_PER_VOXEL] > 100
    assert info.get(contract.FAST_CLEAN_UP, False) == (name == contract.ROBUST_MODEL_NAME)


def test_signatures_tell_types_shapes_and_defaults(ask: Ask) -> None:
    parcellator = ask(contract.PARCELS_MODEL_NAME).metadata()
    signature = parcellator.signature_def[contract.SEGMENT_SIGNATURE]
    types = {name: tf.as_dtype(told.dtype).name for name, told in signature.inputs.items()}
    assert types == {
        contract.IMAGE: "float32",
        contract.NETWORK_LABELS: "uint8",
        contract.CLEAN_LABELS: "uint8",
        contract.SMOOTH: "bool",
        contract.BY_HEMISPHERE: "bool",
    }
    assert set(signature.outputs) == {contract.PARCELS, contract.PARCEL_VOXELS}
    signature = ask(contract.QUALITY_MODEL_NAME).metadata().signature_def["serving_default"]
    defaults = {name: tf.make_ndarray(value).item() for name, value in signature.defaults.items()}
    assert defaults == {contract.SCORED_SIZE: 224, contract.UNFRAMED_LABEL: CSF}
    assert set(signature.outputs) == {contract.SCORES}


def test_robust_chain_answers_as_a_segmenter_that_never_mirrors_or_blurs(
    ask: Ask, image: np.ndarray
) -> None:
    calls, least = ask(contract.ROBUST_MODEL_NAME), np.full(3, 32, np.int32)
    outputs = (contract.LABELS, contract.NETWORK_LABELS, contract.OFFSET, contract.NETWORK_SHAPE)
    answer = calls.predict(outputs=outputs, image=image, min_size=least)
    assert set(answer) == set(outputs)
    assert answer[contract.NETWORK_SHAPE].tolist() == list(GRID)
    assert answer[contract.NETWORK_LABELS].dtype == np.uint8
    assert set(np.unique(answer[contract.NETWORK_LABELS])) <= set(SYNTHSEG_V2.values)
    x, y, z = answer[contract.OFFSET]
    inside = answer[contract.NETWORK_LABELS][x : x + 30, y : y + 20, z : z + 25]
    np.testing.assert_array_equal(answer[contract.LABELS], inside)
    other = calls.predict(outputs=outputs, image=image, min_size=least, flip=False, smooth=False)
    np.testing.assert_array_equal(other[contract.LABELS], answer[contract.LABELS])


def test_parcels_lie_in_the_cortex_each_on_its_side(ask: Ask, image: np.ndarray) -> None:
    answer, clean = parcels(ask, image), labels_on(SHAPE)
    found = answer[contract.PARCELS]
    assert found.dtype == np.uint16
    assert found.shape == SHAPE
    side = np.select([clean == LEFT_CORTEX, clean == RIGHT_CORTEX], [1, 2], 0)
    np.testing.assert_array_equal(found // 1000, side)
    voxels = answer[contract.PARCEL_VOXELS]
    assert voxels.dtype == np.float64
    assert voxels.shape == (len(PARCELS),)
    assert voxels[0] == 0
    # In the cortex a voxel's probabilities sum to 1, elsewhere to less.
    assert voxels.sum() >= np.count_nonzero(side)
    assert voxels[1 : 1 + PARCELS_PER_SIDE].sum() >= np.count_nonzero(side == 1)


def test_parcels_of_either_side_and_without_blur_are_asked_for(ask: Ask, image: np.ndarray) -> None:
    plain = parcels(ask, image)
    either = parcels(ask, image, by_hemisphere=False)
    clean = labels_on(SHAPE)
    assert set(np.unique(either[contract.PARCELS][clean == LEFT_CORTEX] // 1000)) == {1, 2}
    sharp = parcels(ask, image, smooth=False)
    assert np.abs(sharp[contract.PARCEL_VOXELS] - plain[contract.PARCEL_VOXELS]).max() > 1e-3
    asked = ask(contract.PARCELS_MODEL_NAME).predict(
        outputs=(contract.PARCELS,),
        image=image,
        network_labels=labels_on(GRID),
        clean_labels=clean,
    )
    assert list(asked) == [contract.PARCELS]
    np.testing.assert_array_equal(asked[contract.PARCELS], plain[contract.PARCELS])


WRONG_PARCELS: dict[str, tuple[dict[str, Input], str]] = {
    "grid that is no multiple": (
        {contract.NETWORK_LABELS: labels_on((40, 32, 32))},
        "network_labels must cover the image in multiples of 32 voxels",
    ),
    "grid below the image": (
        {
            contract.IMAGE: np.ones((33, 20, 25), np.float32),
            contract.CLEAN_LABELS: labels_on((33, 20, 25)),
        },
        "network_labels must cover the image",
    ),
    "clean labels of another shape": (
        {contract.CLEAN_LABELS: labels_on(GRID)},
        "clean_labels must have the shape of image",
    ),
    "clean labels without an axis": (
        {contract.CLEAN_LABELS: labels_on(SHAPE)[0]},
        "clean_labels must have the shape of image",
    ),
    "image of four axes": (
        {contract.IMAGE: np.ones((1, *SHAPE), np.float32)},
        "image must have 3 axes",
    ),
    "labels of four axes": (
        {contract.NETWORK_LABELS: labels_on(GRID)[np.newaxis]},
        "network_labels must have 3 axes",
    ),
    "no voxels": (
        {contract.NETWORK_LABELS: np.zeros((0, 32, 32), np.uint8)},
        "network_labels must have 3 axes, x y z, and voxels",
    ),
    "image that is not finite": (
        {contract.IMAGE: np.full(SHAPE, np.nan, np.float32)},
        "every voxel of image must be finite",
    ),
    "two switches": (
        {contract.BY_HEMISPHERE: np.array([True, False])},
        "by_hemisphere must be a scalar; its shape is",
    ),
    "labels of another type": (
        {contract.NETWORK_LABELS: labels_on(GRID).astype(np.int32)},
        "to be uint8 but int32 is provided",
    ),
}


@pytest.mark.parametrize("name", WRONG_PARCELS)
def test_wrong_requests_for_parcels_are_refused_in_words(
    ask: Ask, image: np.ndarray, name: str
) -> None:
    changed, words = WRONG_PARCELS[name]
    code, details = refused(lambda: parcels(ask, image, **changed))
    assert code == "INVALID_ARGUMENT"
    assert words in details


def test_scores_are_eight_numbers_from_0_to_1(ask: Ask) -> None:
    found = scores(ask, network_labels=labels_on(GRID))[contract.SCORES]
    assert found.dtype == np.float32
    assert found.shape == (len(QUALITY_GROUPS) - 1,)
    assert ((found >= 0) & (found <= 1)).all()
    # Where the brain lies in what is sent does not matter, so long as the cube is the same.
    moved = np.pad(labels_on(GRID), [(3, 8), (0, 20), (7, 0)])
    np.testing.assert_allclose(scores(ask, network_labels=moved)[contract.SCORES], found, atol=1e-5)


def test_label_that_does_not_count_is_chosen(ask: Ask) -> None:
    labels = np.pad(labels_on(GRID), [(0, 32), (0, 0), (0, 0)])
    alone = scores(ask, network_labels=labels)[contract.SCORES]
    labels[60] = CSF
    np.testing.assert_allclose(
        scores(ask, network_labels=labels)[contract.SCORES], alone, atol=1e-5
    )
    counted = scores(ask, network_labels=labels, unframed_label=2)[contract.SCORES]
    assert not np.allclose(counted, alone, atol=1e-5)


WRONG_SCORES: dict[str, tuple[dict[str, Input], str]] = {
    "size that is no multiple": ({contract.SCORED_SIZE: 40}, "must be a multiple of 16 from 16 to"),
    "size of zero": ({contract.SCORED_SIZE: 0}, "scored_size must be a multiple of 16"),
    "two sizes": (
        {contract.SCORED_SIZE: np.array([32, 48], np.int32)},
        "scored_size must be a scalar; its shape is",
    ),
    "unknown label": (
        {contract.NETWORK_LABELS: np.full(GRID, 99, np.uint8)},
        "network_labels must be labels of SynthSeg 1.0 or 2.0, found] [99",
    ),
    "labels of two axes": (
        {contract.NETWORK_LABELS: labels_on(GRID)[0]},
        "network_labels must have 3 axes",
    ),
    "labels of another type": (
        {contract.NETWORK_LABELS: labels_on(GRID).astype(np.float32)},
        "to be uint8 but float is provided",
    ),
}


@pytest.mark.parametrize("name", WRONG_SCORES)
def test_wrong_requests_for_scores_are_refused_in_words(ask: Ask, name: str) -> None:
    changed, words = WRONG_SCORES[name]
    inputs: dict[str, Input] = {contract.NETWORK_LABELS: labels_on(GRID)}
    code, details = refused(lambda: scores(ask, **{**inputs, **changed}))
    assert code == "INVALID_ARGUMENT"
    assert words in details


def test_label_map_is_required(ask: Ask) -> None:
    calls = ask(contract.QUALITY_MODEL_NAME)
    code, details = refused(lambda: calls.predict(scored_size=np.array(32, np.int32)))
    assert code == "INVALID_ARGUMENT"
    assert contract.NETWORK_LABELS in details


def test_unknown_output_is_refused(ask: Ask) -> None:
    calls = ask(contract.QUALITY_MODEL_NAME)
    code, details = refused(
        lambda: calls.predict(outputs=("labels",), network_labels=labels_on(GRID))
    )
    assert code == "INVALID_ARGUMENT"
    assert "output tensor alias not found in signature: labels" in details
