from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from report_runs import AFFINE, labelled_head
from synthseg_client.pictures.display import Display, Volume
from synthseg_client.report.detail import FULL, MEDIUM, SMALL, Detail
from synthseg_client.report.tiles import MULTIPLE_MM, Sheet, draw_sheet


def sheet_of(detail: Detail, *, with_scan: bool = True) -> Sheet:
    image, labels = labelled_head()
    display = Display.around(Volume(labels, AFFINE)).enlarged(MULTIPLE_MM)
    scan = Volume(image, AFFINE) if with_scan else None
    return draw_sheet(scan, Volume(labels, AFFINE), display, detail)


def pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGBA"))


@pytest.mark.parametrize("detail", [FULL, MEDIUM, SMALL])
def test_contours_lie_over_the_edges_of_the_slices(detail: Detail) -> None:
    sheet = sheet_of(detail)
    scan, contours = pixels(sheet.scan), pixels(sheet.contours)
    assert scan.shape[0] == pytest.approx(sheet.height / detail.step_mm)
    assert contours.shape[0] == pytest.approx(sheet.height / detail.contour_step_mm)
    assert len(sheet.tiles) == 3 * detail.slices
    for tile in sheet.tiles:
        ends = [tile.x, tile.x + tile.width, tile.y, tile.y + tile.height]
        left, right, top, bottom = (round(end / detail.contour_step_mm) for end in ends)
        drawn = contours[top:bottom, left:right, 3] > 0
        assert drawn.any(), tile.title
        l2, r2, t2, b2 = (round(end / detail.step_mm) for end in ends)
        bright = scan[t2:b2, l2:r2, 0] > 25
        # The outermost contour runs around all that is bright, to a voxel, over which greys fade.
        rows = [np.flatnonzero(seen.any(axis=1))[[0, -1]] for seen in (drawn, bright)]
        mm = [rows[0] * detail.contour_step_mm, rows[1] * detail.step_mm]
        np.testing.assert_allclose(mm[0], mm[1], atol=5)


def test_the_left_half_is_the_brighter_one_on_the_left() -> None:
    sheet = sheet_of(FULL)
    tile = sheet.tiles[2]
    row = round((tile.y + tile.height / 2) / FULL.step_mm)
    middle = round((tile.x + tile.width / 2) / FULL.step_mm)
    scan = pixels(sheet.scan)[row, :, 0].astype(int)
    assert scan[middle - 20] > scan[middle + 20] + 20


def test_without_a_scan_contours_stand_alone() -> None:
    sheet = sheet_of(SMALL, with_scan=False)
    assert not pixels(sheet.scan)[..., :3].any()
    assert pixels(sheet.contours)[..., 3].any()


def test_a_thumbnail_is_small_and_shows_colours() -> None:
    thumbnail = sheet_of(FULL).thumbnail
    assert len(thumbnail) < 6000
    shown = pixels(thumbnail)[..., :3].astype(int)
    assert shown.shape[0] < 100
    assert shown.max() > 60
