"""One scan through one server: prepare, request, clean up, and the result in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from synthseg_common import contract
from synthseg_common.contract import SIZE_MULTIPLE
from synthseg_common.images import Placement

from synthseg_client.answers.cleanup import CleanPosteriors, clean_up, read_evidence
from synthseg_client.calls.session import Session
from synthseg_client.errors import ModelError
from synthseg_client.geometry.crop import cut_sides_touched, first_box
from synthseg_client.geometry.grids import ResultGrid, prepare
from synthseg_client.geometry.orientation import voxel_volume_mm3
from synthseg_client.inputs.scans import Scan
from synthseg_client.model import Model
from synthseg_client.options import CT_RANGE_HU, Options
from synthseg_client.results.volume_table import volumes_mm3
from synthseg_client.segmentation.budget import check_fits, grown_within

DENSE_LIMIT_BYTES = 64 * 2**20
"""Answers with every channel are fetched if they are smaller than this; otherwise the strongest
channels.
"""
_BYTES_PER_PROBABILITY = 2
_PREPARATIONS = 3


@dataclass(frozen=True)
class Segmentation:
    """What became of one scan.

    Attributes:
        labels: int32 `[x, y, z]`: label values, along the scan's own axes.
        volumes: mm³ by structure name, in the order of the volumes table.
        model: Which model answered.
        options: How it was asked.
        warnings: What the user should know, about the scan and the result.
        passes: How often the network was asked: more than once where structures touched a cut.
        seconds: Wall time by step: `prepare`, `server`, `cleanup`.
        grid: Grid of `labels` and posteriors, and the scan at 1 mm.
    """

    labels: NDArray[np.int32]
    volumes: dict[str, float]
    model: Model
    options: Options
    warnings: tuple[str, ...]
    passes: int
    seconds: dict[str, float]
    grid: ResultGrid
    _posteriors: CleanPosteriors = field(repr=False)

    @property
    def scan(self) -> Scan:
        """The scan as it was read."""
        return self.grid.prepared.scan

    @property
    def affine(self) -> NDArray[np.float64]:
        """float64 `[4, 4]` of `labels`: voxel indices to mm in RAS."""
        return self.grid.affine

    @property
    def placement(self) -> Placement:
        """Where `labels` lie, in each way that the scan's header says it."""
        return self.grid.placement

    @property
    def was_resampled(self) -> bool:
        """Whether the scan's voxels were not 1 mm."""
        return self.grid.prepared.resampling is not None

    @property
    def resampled(self) -> NDArray[np.float32]:
        """float32 `[x, y, z]`: the scan at 1 mm along its own axes."""
        return self.grid.prepared.native

    @property
    def resampled_affine(self) -> NDArray[np.float64]:
        """float64 `[4, 4]` of `resampled`."""
        return self.resampled_placement.affine

    @property
    def resampled_placement(self) -> Placement:
        """Where `resampled` lies."""
        return self.grid.prepared.placement

    def posterior(self, channel: int) -> NDArray[np.float32]:
        """float32 `[x, y, z]`: probability of one channel on the grid of `labels`."""
        return self.grid.channel(self._posteriors, channel)

    def posteriors(self) -> NDArray[np.float32]:
        """float32 `[x, y, z, label]`: all of them; large."""
        return np.stack([self.posterior(c) for c in range(self.model.n_labels)], axis=-1)


def segment_scan(
    scan: Scan,
    session: Session,
    options: Options,
    *,
    posteriors: bool = False,
    turn: AbstractContextManager[object] | None = None,
) -> Segmentation:
    """Segments a scan: resample, ask the server, clean up, go back to the scan's axes.

    Where structures touch a cut that the user did not ask for, the part that is segmented grows,
    and the server is asked again.

    Args:
        scan: As read.
        session: The server.
        options: How.
        posteriors: Fetch every channel, so that `Segmentation.posterior` is exact for each.
        turn: Held while the server works, so that several threads take turns.

    Raises:
        ServerError: There is no answer, or not one that fits.
    """
    clock = _Clock()
    described = session.describe()
    for _ in range(_PREPARATIONS):
        try:
            return _segment_for(described, scan, session, options, posteriors, turn, clock)
        except _OtherModelError as error:
            described = error.model
    raise ModelError(f"{session.address.target} changes versions faster than it answers.")


class _OtherModelError(Exception):
    """A version has answered that wants its scans prepared in another way."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.title)
        self.model = model


def _segment_for(
    described: Model,
    scan: Scan,
    session: Session,
    options: Options,
    posteriors: bool,
    turn: AbstractContextManager[object] | None,
    clock: _Clock,
) -> Segmentation:
    crop = options.crop if described.is_brain else options.crop.for_any_anatomy()
    with clock("prepare"):
        prepared = prepare(scan, described.voxel_mm)
        volume = prepared.ras
        box = first_box(volume, crop)
        check_fits(described, box, crop.min_size, scan.path)
    notes: list[str] = []
    while True:
        image = volume[box.slices]
        with turn or nullcontext(), clock("server"):
            answer, model = _ask(session, image, replace(options, crop=crop), posteriors)
        if (model.voxel_mm, model.is_brain) != (described.voxel_mm, described.is_brain):
            raise _OtherModelError(model)
        with clock("cleanup"):
            clean = _cleaned(answer, box.shape, model, options.fast)
            touched = cut_sides_touched(clean.best_channels(), box, volume.shape)
        if not touched or options.crop.explicit:
            break
        step = SIZE_MULTIPLE * 2 ** len(notes)
        larger = grown_within(described, box, touched, volume.shape, step, crop.min_size)
        if larger is None:
            break
        notes.append(
            f"structures reached {_side_names(touched)} of the part that was segmented: enlarged it"
        )
        box = larger
    passes = len(notes) + 1
    if touched:
        limit = "" if options.crop.explicit else ", and the model takes no larger one"
        notes.append(
            f"structures reach {_side_names(touched)} of the crop: a larger one may be needed"
            f"{limit}"
        )
    with clock("cleanup"):
        grid = ResultGrid(prepared, box, keep=options.keep_geometry)
        labels = model.label_values[grid.best_channels(clean, model.n_labels)]
        volumes = volumes_mm3(clean.sums(model.n_labels), voxel_volume_mm3(prepared.affine), model)
    warnings = (*scan.warnings, *notes)
    return Segmentation(
        labels, volumes, model, options, warnings, passes, dict(clock.seconds), grid, clean
    )


def _ask(
    session: Session, image: NDArray, options: Options, posteriors: bool
) -> tuple[dict[str, NDArray], Model]:
    """The answer for a part of a scan, and the model that gave it."""
    if options.ct:
        image = np.clip(image, *CT_RANGE_HU)
    dense_bytes = image.size * session.describe().n_labels * _BYTES_PER_PROBABILITY
    outputs = contract.DENSE if posteriors or dense_bytes < DENSE_LIMIT_BYTES else contract.EVIDENCE
    return session.segment(image, options.crop.min_size, flip=not options.fast, outputs=outputs)


def _cleaned(
    answer: dict[str, NDArray], shape: tuple[int, int, int], model: Model, fast: bool
) -> CleanPosteriors:
    """The cleaned posteriors of an answer, which is emptied: with every channel it is large."""
    evidence = read_evidence(answer, shape, model.n_labels)
    answer.clear()
    return clean_up(evidence, model, fast=fast)


def _side_names(sides: list[tuple[int, int]]) -> str:
    names = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
    return "the " + ", ".join(names[axis][end] for axis, end in sides) + " side"


class _Clock:
    """Adds up wall time in seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - started
