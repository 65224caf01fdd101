"""Slices that make one volume: of one series, orientation, size and echo, in order of place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from synthseg_common.arrays import Float64Array

from synthseg_client.dicom.headers import Frame, Header, frames_of

_SAME_PLACE_MM = 0.01
_SAME_DIRECTION = 0.01
_PARTS = {
    **dict.fromkeys(("P", "PHASE", "PHASE MAP"), "phase"),
    **dict.fromkeys(("R", "REAL"), "real"),
    **dict.fromkeys(("I", "IMAGINARY"), "imaginary"),
    **dict.fromkeys(("M", "MAGNITUDE"), "magnitude"),
}


@dataclass(frozen=True, eq=False)
class Stack:
    """The slices of one volume.

    Attributes:
        frames: In order along `normal`, one per place.
        n_volumes: How many volumes of these places the series holds; `frames` are the first.
        part: `magnitude`, `phase`, `real` or `imaginary`, where the image type says it.
    """

    frames: tuple[Frame, ...]
    n_volumes: int
    part: str

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
        data = self.header.data
        return int(data.Columns), int(data.Rows), len(self.frames)

    @property
    def directions(self) -> Float64Array:
        """float64 `[3, 3]`, LPS: along a row, along a column, and across slices."""
        x, y = np.reshape(self.frames[0].orientation, (2, 3))
        return np.stack([x, y, np.cross(x, y)])

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Distance of columns, and of rows."""
        rows, columns = self.frames[0].pixel_mm
        return columns, rows

    @cached_property
    def offsets_mm(self) -> Float64Array:
        """float64 `[slice, 3]`: of each slice from the first: along rows, along columns, across."""
        positions = np.array([frame.position for frame in self.frames])
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
        for frame in frames_of(header):
            alike = groups[_key(frame)]
            for frames in alike:
                if np.allclose(frames[0].orientation, frame.orientation, atol=_SAME_DIRECTION):
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
            stack.part not in ("", "magnitude"),
            stack.frames[0].echo_ms or 0.0,
        ),
    )


def _key(frame: Frame) -> tuple[object, ...]:
    header = frame.header
    return (
        header.number("Rows"),
        header.number("Columns"),
        tuple(round(mm, 3) for mm in frame.pixel_mm),
        None if frame.echo_ms is None else round(frame.echo_ms, 2),
        _part_of(header),
        header.kinds[:2],
    )


def _part_of(header: Header) -> str:
    told = header.text("ComplexImageComponent").upper()
    words = (told, *header.kinds[2:]) if told else header.kinds[2:]
    return next((_PARTS[word] for word in words if word in _PARTS), "")


def _stack(frames: Sequence[Frame]) -> Stack:
    """One volume of slices of one kind; of several at one place, the first."""
    x, y = np.reshape(frames[0].orientation, (2, 3))
    normal = np.cross(x, y)
    across = np.array([frame.position for frame in frames]) @ normal
    places: list[list[Frame]] = []
    last = -np.inf
    for index in np.argsort(across, kind="stable"):
        if across[index] - last > _SAME_PLACE_MM:
            places.append([])
            last = across[index]
        places[-1].append(frames[index])
    first = tuple(min(there, key=_order) for there in places)
    return Stack(first, max(map(len, places)), _part_of(frames[0].header))


def _order(frame: Frame) -> tuple[int, int, int]:
    header = frame.header
    return (
        header.number("AcquisitionNumber") or 0,
        header.number("InstanceNumber") or 0,
        frame.number,
    )
