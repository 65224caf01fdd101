"""Slices of a scan in one picture file, and their contours in another that lies over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from synthseg_common.arrays import AnyArray, Float32Array, Int32Array

from synthseg_client.pictures.contours import paint_contours
from synthseg_client.pictures.display import (
    MARGIN_MM,
    Cut,
    Display,
    Volume,
    as_grey,
    cuts,
    window,
)
from synthseg_client.report.detail import Detail
from synthseg_client.report.encoding import as_webp, shrunk

MULTIPLE_MM = 6.0
"""Boxes are multiples of this, in which all sizes of pixels go evenly."""
_GAP_MM = 6.0
_THUMBNAIL_STEP_MM = 2.5
_THUMBNAIL_QUALITY = 50
_OPAQUE = 255


@dataclass(frozen=True)
class Tile:
    """Where a slice stands in its picture, in mm from the picture's left upper corner.

    Attributes:
        title: Which slice it is.
        plane: Name of its plane.
        x: Left edge.
        y: Upper edge.
        width: Extent to the right.
        height: Extent down.
    """

    title: str
    plane: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Sheet:
    """The pictures of a scan.

    Attributes:
        tiles: What stands where, axial slices first.
        width: Of the whole picture, in mm.
        height: The same, downwards.
        scan: WebP file of the slices.
        contours: WebP file of the contours, of the same extent.
        thumbnail: WebP file of three slices with contours.
        black: Intensity that is shown as black.
        white: Intensity that is shown as white.
    """

    tiles: tuple[Tile, ...]
    width: float
    height: float
    scan: bytes
    contours: bytes
    thumbnail: bytes
    black: float
    white: float


def draw_sheet(scan: Volume | None, labels: Volume, display: Display, detail: Detail) -> Sheet:
    """Draws slices and contours.

    Args:
        scan: Intensities; None draws contours alone.
        labels: Integers.
        display: What is shown, in multiples of `MULTIPLE_MM`.
        detail: How much of it.
    """
    rows = cuts(detail.slices, MARGIN_MM, display)
    tiles, width, height = _laid_out(rows, display)
    chosen = [cut for row in rows for cut in row]
    fine: list[Int32Array] = [
        display.plane(labels, cut, detail.contour_step_mm, order=0).astype(np.int32)
        for cut in chosen
    ]
    grey = [_grey_plane(scan, display, cut, detail.step_mm) for cut in chosen]
    same = [display.plane(labels, c, detail.step_mm, order=0).astype(np.int32) for c in chosen]
    black, white = window(grey, same)
    shown = [as_grey(plane, black, white) for plane in grey]
    painted = [paint_contours(plane) for plane in fine]
    middles = [n * detail.slices + detail.slices // 2 for n in range(3)]
    return Sheet(
        tiles,
        width,
        height,
        as_webp(_pasted(shown, tiles, (width, height), detail.step_mm), quality=detail.quality),
        as_webp(_pasted(painted, tiles, (width, height), detail.contour_step_mm)),
        _thumbnail([tiles[m] for m in middles], [(shown[m], painted[m]) for m in middles]),
        black,
        white,
    )


def _grey_plane(scan: Volume | None, display: Display, cut: Cut, step_mm: float) -> Float32Array:
    if scan is not None:
        return display.plane(scan, cut, step_mm, order=1)
    shape = [n for axis, n in enumerate(display.shape(step_mm)) if axis != cut.axis]
    return np.zeros(shape[::-1], np.float32)


def _laid_out(
    rows: Sequence[Sequence[Cut]], display: Display
) -> tuple[tuple[Tile, ...], float, float]:
    """Slices of one plane side by side, planes one below the other."""
    tiles: list[Tile] = []
    y = width = 0.0
    for row in rows:
        x = height = 0.0
        for number, cut in enumerate(row, start=1):
            across, down = (float(n) for a, n in enumerate(display.size_mm) if a != cut.axis)
            title = f"{cut.plane.capitalize()} slice {number} of {len(row)}"
            tiles.append(Tile(title, cut.plane, x, y, across, down))
            x, height = x + across + _GAP_MM, down
            width = max(width, x - _GAP_MM)
        y += height + _GAP_MM
    return tuple(tiles), width, y - _GAP_MM


def _pasted(
    planes: Sequence[AnyArray], tiles: Sequence[Tile], extent: tuple[float, float], step_mm: float
) -> AnyArray:
    columns, rows = (round(mm / step_mm) for mm in extent)
    picture = np.zeros((rows, columns, *planes[0].shape[2:]), np.uint8)
    for plane, tile in zip(planes, tiles, strict=True):
        x, y = round(tile.x / step_mm), round(tile.y / step_mm)
        picture[y : y + plane.shape[0], x : x + plane.shape[1]] = plane
    return picture


def _thumbnail(tiles: Sequence[Tile], layers: Sequence[tuple[AnyArray, AnyArray]]) -> bytes:
    """Three slices in a strip, as high as the highest."""
    height = round(max(tile.height for tile in tiles) / _THUMBNAIL_STEP_MM)
    strip = []
    for tile, (grey, contours) in zip(tiles, layers, strict=True):
        wide, high = (round(mm / _THUMBNAIL_STEP_MM) for mm in (tile.width, tile.height))
        small = np.repeat(shrunk(grey, wide, high)[..., None], 3, axis=-1).astype(np.float32)
        lines = shrunk(contours, wide, high).astype(np.float32)
        opacity = lines[..., 3:] / _OPAQUE
        small += opacity * (lines[..., :3] - small)
        above = (height - high) // 2
        padding = ((above, height - high - above), (0, 2), (0, 0))
        strip.append(np.pad(small.round().astype(np.uint8), padding))
    return as_webp(np.concatenate(strip, axis=1), quality=_THUMBNAIL_QUALITY)
