"""Volumes of parcels: each side fills its cortex."""

from __future__ import annotations

import numpy as np
import pytest
from synthseg_client.model import Model
from synthseg_client.segmentation.parcels import parcel_volumes_mm3
from synthseg_common.labels import SYNTHSEG_V1, SYNTHSEG_V2, SegmentationLabels


def _model(table: SegmentationLabels) -> Model:
    columns = (table.values, table.topology_classes, table.flip_channels)
    values, classes, flips = (np.array(column, np.int32) for column in columns)
    return Model("synthseg", 1, values, table.names, classes, flips)


@pytest.fixture
def voxels() -> np.ndarray:
    return np.array([0.0, *np.arange(1, 35), *[2.0] * 34])


@pytest.mark.parametrize("table", [SYNTHSEG_V1, SYNTHSEG_V2])
def test_parcels_of_a_side_sum_to_that_sides_cortex(
    table: SegmentationLabels, voxels: np.ndarray
) -> None:
    sums = np.arange(len(table), dtype=float)
    found = parcel_volumes_mm3(voxels, sums, 8.0, _model(table), as_original=False)
    assert found[:34].sum() == pytest.approx(8 * sums[table.values.index(3)])
    assert found[34:].sum() == pytest.approx(8 * sums[table.values.index(42)])
    # Within a side they keep their proportions.
    assert found[33] == pytest.approx(34 * found[0])


@pytest.mark.parametrize(("table", "scaled_to"), [(SYNTHSEG_V1, (3, 42)), (SYNTHSEG_V2, (2, 41))])
def test_as_the_original_all_are_scaled_by_one_factor_to_white_matter_in_2_0(
    table: SegmentationLabels, scaled_to: tuple[int, int], voxels: np.ndarray
) -> None:
    sums = np.arange(len(table), dtype=float)
    found = parcel_volumes_mm3(voxels, sums, 1.0, _model(table), as_original=True)
    assert found.sum() == pytest.approx(sum(sums[table.values.index(v)] for v in scaled_to))
    assert found[34] == pytest.approx(2 * found[0])


@pytest.mark.parametrize("as_original", [False, True])
def test_where_no_parcel_was_found_there_is_nothing_of_any(as_original: bool) -> None:
    sums = np.ones(len(SYNTHSEG_V2))
    model = _model(SYNTHSEG_V2)
    found = parcel_volumes_mm3(np.zeros(69), sums, 1.0, model, as_original=as_original)
    assert found.tolist() == [0.0] * 68
