"""Slices that make one volume: of one series, orientation, size and echo, in order of place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from synthseg_common.arrays import Float64Array

from synthseg_client.dicom.headers import Header, Place

_SAME_PLACE_MM = 0.01
_SAME_DIRECTION = 0.01


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One slice: a file, or a frame of one."""

    header: Header
    place: Place


@dataclass(frozen=True, eq=False)
class Stack:
    """The slices of one volume.

    Attributes:
        frames: In order along `normal`, one per place.
        n_volumes: How many volumes of these places the series holds; `frames` are the first.
    """

    frames: tuple[Frame, ...]
    n_volumes: int

    @property
    def header(self) -> Header:
        """Of the first slice."""
        return self.frames[0].header

    @cached_property
    def headers(self) -> tuple[Header, ...]:
        """Of the files that hold the slices, each once, in the slices' order."""
        return tuple(dict.fromkeys(frame.header for frame in self.frames))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows, slices."""
        return (*self.header.size, len(self.frames))

    @property
    def directions(self) -> Float64Array:
        """float64 `[3, 3]`, LPS: along a row, along a column, and across slices."""
        x, y = np.reshape(self.frames[0].place.orientation, (2, 3))
        return np.stack([x, y, np.cross(x, y)])

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Distance of columns, and of rows."""
        rows, columns = self.frames[0].place.pixel_mm
        return columns, rows

    @cached_property
    def offsets_mm(self) -> Float64Array:
        """float64 `[slice, 3]`: of each slice from the first: along rows, along columns, across."""
        positions = np.array([frame.place.position for frame in self.frames])
        offsets: Float64Array = (positions - positions[0]) @ self.directions.T
        return offsets

    @property
    def gaps_mm(self) -> Float64Array:
        """float64 `[slice - 1]`: from each slice to the next, across."""
        gaps: Float64Array = np.diff(self.offsets_mm[:, 2])
        return gaps


def stacks_of(headers: Iterable[Header]) -> list[Stack]:
    """The volumes that files of one series hold, the one with most slices first."""
    groups: dict[tuple[object, ...], list[list[Frame]]] = defaultdict(list)
    for header in headers:
        for place in header.places:
            frame = Frame(header, place)
            alike = groups[_key(frame)]
            for frames in alike:
                direction = frames[0].place.orientation
                if np.allclose(direction, place.orientation, atol=_SAME_DIRECTION):
                    frames.append(frame)
                    break
            else:
                alike.append([frame])
    stacks = [_stack(frames) for alike in groups.values() for frames in alike]
    # Of equally many slices: magnitude before phase, the earlier echo, and what is named first.
    return sorted(
        stacks,
        key=lambda stack: (
            -len(stack.frames),
            stack.frames[0].place.part not in ("", "magnitude"),
            stack.frames[0].place.echo_ms,
        ),
    )


def _key(frame: Frame) -> tuple[object, ...]:
    header, place = frame.header, frame.place
    return (
        header.size,
        tuple(round(mm, 3) for mm in place.pixel_mm),
        round(place.echo_ms, 2),
        place.part,
        header.kinds[:2],
    )


def _stack(frames: Sequence[Frame]) -> Stack:
    """One volume of slices of one kind; of several at one place, the first."""
    x, y = np.reshape(frames[0].place.orientation, (2, 3))
    normal = np.cross(x, y)
    across = np.array([frame.place.position for frame in frames]) @ normal
    places: list[list[Frame]] = []
    last = -np.inf
    for index in np.argsort(across, kind="stable"):
        if across[index] - last > _SAME_PLACE_MM:
            places.append([])
            last = across[index]
        places[-1].append(frames[index])
    first = tuple(min(there, key=_order) for there in places)
    return Stack(first, max(map(len, places)))


def _order(frame: Frame) -> tuple[int, int, int]:
    return (*frame.header.order, frame.place.number)
