"""What a served model takes, so that nothing is sent that it would refuse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from synthseg_common.contract import LARGEST_AXIS, SIZE_MULTIPLE, counted_voxels, network_grid

from synthseg_client.errors import RequestTooLargeError
from synthseg_client.geometry.crop import Box, grown
from synthseg_client.model import Model


def fits(model: Model, box: Box, min_size: Sequence[int]) -> bool:
    """Whether a model takes a part of a scan; yes if it does not say what it takes."""
    if model.max_voxels is None:
        return True
    grid = network_grid(box.shape, min_size)
    return max(grid) <= LARGEST_AXIS and counted_voxels(grid) <= model.max_voxels


def strictest(models: Sequence[Model]) -> Model:
    """Of models that are asked with one grid, the first of those that take the fewest voxels."""
    return min(models, key=lambda m: math.inf if m.max_voxels is None else m.max_voxels)


def check_fits(model: Model, box: Box, min_size: Sequence[int], scan: Path) -> None:
    """Refuses a part of a scan that its model does not take.

    Args:
        model: Who will be asked.
        box: The part.
        min_size: Least network grid per axis in voxels.
        scan: The file, for the message.

    Raises:
        RequestTooLargeError: It is too large.
    """
    if fits(model, box, min_size):
        return
    grid, limit = network_grid(box.shape, min_size), model.max_voxels or 0
    edges = range(0, LARGEST_AXIS + 1, SIZE_MULTIPLE)
    edge = max(n for n in edges if counted_voxels((n, n, n)) <= limit)
    raise RequestTooLargeError(
        f"{scan}: the network would work on a grid of {' x '.join(map(str, grid))}, which counts "
        f"as {counted_voxels(grid)} voxels; model {model.title} takes {limit} at most, "
        f"{LARGEST_AXIS} per axis: use a smaller --crop, as --crop {edge or SIZE_MULTIPLE}."
    )


def grown_within(
    model: Model,
    box: Box,
    sides: Sequence[tuple[int, int]],
    shape: Sequence[int],
    step: int,
    min_size: Sequence[int],
) -> Box | None:
    """A box grown at the given sides, by less than `step` where the model takes no more.

    Args:
        model: Who will be asked.
        box: The part that was segmented.
        sides: `(axis, end)` pairs, see `grown`.
        shape: Of the whole volume.
        step: Voxels to grow by, a multiple of 32.
        min_size: Least network grid per axis in voxels.

    Returns:
        The larger box; None if the model takes none.
    """
    for smaller in range(step, 0, -SIZE_MULTIPLE):
        larger = grown(box, sides, shape, smaller)
        if fits(model, larger, min_size):
            return larger
    return None
