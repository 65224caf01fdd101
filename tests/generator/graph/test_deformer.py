"""Maps that are warped, cropped and flipped."""

from __future__ import annotations

import numpy as np
from keras import ops
from numpy.typing import NDArray
from small_graphs import SETTINGS, SHAPE, draw_row
from synthseg_common.labels import GENERATION_V2
from synthseg_generator.graph.deformer import Deformer


def test_flipped_sample_mirrors_the_anatomy_and_swaps_the_sides(ids: NDArray[np.uint8]) -> None:
    deformer = Deformer(SETTINGS, GENERATION_V2, SHAPE)
    plain, mirrored = (
        ops.convert_to_numpy(deformer.deform(ids, {**draw_row(1), "flip": np.bool_(flip)}))
        for flip in (False, True)
    )
    swapped = np.array(GENERATION_V2.flip_indices)[plain[::-1]]
    np.testing.assert_array_equal(mirrored, swapped)


def test_sides_keep_their_side_in_every_sample(ids: NDArray[np.uint8]) -> None:
    """Left white matter lies left (low x) of the right one, flipped or not."""
    deformer = Deformer(SETTINGS, GENERATION_V2, SHAPE)
    left, right = GENERATION_V2.values.index(2), GENERATION_V2.values.index(41)
    shown = 0
    for k in range(6):
        labels = ops.convert_to_numpy(deformer.deform(ids, draw_row(k)))
        places = [np.argwhere(labels == side)[:, 0] for side in (left, right)]
        if all(len(place) > 50 for place in places):
            shown += 1
            assert places[0].mean() < places[1].mean()
    assert shown > 2


def test_hidden_labels_become_background(ids: NDArray[np.uint8]) -> None:
    deformer = Deformer(SETTINGS, GENERATION_V2, SHAPE)
    cropped = np.full((2, 2, 2), GENERATION_V2.values.index(516), np.int32)
    assert not ops.convert_to_numpy(deformer.target(cropped, {})).any()
