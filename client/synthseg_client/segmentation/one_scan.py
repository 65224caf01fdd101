"""One scan through one server: prepare, ask, clean up, and go back to the scan's axes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
from synthseg_common import contract
from synthseg_common.arrays import AnyArray, Float32Array
from synthseg_common.contract import SIZE_MULTIPLE
from synthseg_common.processing import INPUT_PERCENTILES
from synthseg_common.triples import Triple

from synthseg_client.answers.cleanup import clean_up
from synthseg_client.answers.evidence import read_evidence
from synthseg_client.answers.posteriors import CleanPosteriors
from synthseg_client.calls.session import Session
from synthseg_client.errors import ModelError
from synthseg_client.geometry.crop import Box, cut_sides_touched, first_box
from synthseg_client.geometry.grids import Prepared, ResultGrid, prepare
from synthseg_client.geometry.resampling import voxel_volume_mm3
from synthseg_client.inputs.scans import Scan
from synthseg_client.model import Model
from synthseg_client.options import CT_RANGE_HU, Crop, Options
from synthseg_client.results.volume_table import rounded_mm3, volumes_mm3
from synthseg_client.segmentation.budget import check_fits, grown_within, strictest
from synthseg_client.segmentation.clock import Clock
from synthseg_client.segmentation.companions import (
    Companions,
    Parcels,
    Segmented,
    ask_for_parcels,
    ask_for_scores,
)
from synthseg_client.segmentation.labelling import label_map
from synthseg_client.segmentation.parcels import parcel_volumes_mm3
from synthseg_client.segmentation.result import Segmentation

DENSE_LIMIT_BYTES = 64 * 2**20
"""Answers with every channel are fetched if they are smaller than this; otherwise the strongest
channels.
"""
_BYTES_PER_PROBABILITY = 2
_PREPARATIONS = 3


def segment_scan(
    scan: Scan,
    session: Session,
    options: Options,
    *,
    posteriors: bool = False,
    companions: Companions | None = None,
    turn: AbstractContextManager[object] | None = None,
) -> Segmentation:
    """Segments a scan: resample, ask the server, clean up, go back to the scan's axes.

    Where structures touch a cut that the user did not ask for, the part that is segmented grows,
    and the server is asked again. Parcels and quality scores are asked for last.

    Args:
        scan: As read.
        session: The server; the options say which of its models.
        options: How.
        posteriors: Fetch every channel, so that `Segmentation.posterior` is exact for each.
        companions: From `Companions.of`, where many scans are segmented; None meets them here.
        turn: Held while the server works, so that several threads take turns.

    Raises:
        ServerError: There is no answer, or not one that fits.
    """
    session = session.beside(options.model_name)
    met = companions or Companions.of(session, options)
    work = _Work(scan, session, options, posteriors, met, turn or nullcontext())
    described = session.describe()
    for _ in range(_PREPARATIONS):
        try:
            return work.done_for(described)
        except _OtherModelError as error:
            described = error.model
    raise ModelError(f"{session.address.target} changes versions faster than it answers.")


class _OtherModelError(Exception):
    """A version has answered that wants its scans prepared in another way."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.title)
        self.model = model


@dataclass(frozen=True)
class _Pass:
    """One pass of the network over a part of a scan.

    Attributes:
        model: Which model answered.
        box: The part.
        image: float32 `[x, y, z]`: as it was sent.
        network_labels: Label values over the network grid, if companions are asked.
        clean: Its answer, cleaned up.
        touched: Sides of the part where structures reach the cut, see `cut_sides_touched`.
    """

    model: Model
    box: Box
    image: AnyArray
    network_labels: AnyArray | None
    clean: CleanPosteriors
    touched: list[tuple[int, int]]


@dataclass(frozen=True)
class _Work:
    """What is to be done for one scan; the arguments of `segment_scan`."""

    scan: Scan
    session: Session
    options: Options
    posteriors: bool
    companions: Companions
    turn: AbstractContextManager[object]
    clock: Clock = field(default_factory=Clock)

    def done_for(self, described: Model) -> Segmentation:
        """The segmentation, prepared as a model wants it.

        Raises:
            _OtherModelError: Another one has answered, which wants it otherwise.
        """
        crop = self.options.crop if described.is_brain else self.options.crop.for_any_anatomy()
        with self.clock("prepare"):
            prepared = prepare(self.scan, described.voxel_mm)
            volume = self._as_seen(prepared.ras, crop)
            box = first_box(volume, crop)
            asked = strictest((described, *self.companions.on_its_grid))
            check_fits(asked, box, crop.min_size, self.scan.path)
        notes: list[str] = []
        last = self._pass(described, volume, box, crop)
        while larger := self._larger(asked, last, volume.shape, crop, len(notes)):
            notes.append(
                f"structures reached {_side_names(last.touched)} of the part that was segmented: "
                "enlarged it"
            )
            last = self._pass(described, volume, larger, crop)
        return self._result(prepared, last, notes)

    def _pass(self, described: Model, volume: AnyArray, box: Box, crop: Crop) -> _Pass:
        image = self._clipped(volume[box.slices])
        with self.turn, self.clock("server"):
            answer, model = self._ask(image, crop.min_size)
        if (model.voxel_mm, model.is_brain) != (described.voxel_mm, described.is_brain):
            raise _OtherModelError(model)
        with self.clock("cleanup"):
            fast = self.options.fast or model.fast_only
            network_labels = answer.pop(contract.NETWORK_LABELS, None)
            clean = _cleaned(answer, box.shape, model, fast=fast)
            touched = cut_sides_touched(clean.best_channels(), box, volume.shape)
        return _Pass(model, box, image, network_labels, clean, touched)

    def _as_seen(self, volume: AnyArray, crop: Crop) -> AnyArray:
        """The whole volume as the network shall see parts of it.

        Where the part follows from intensities, these are scaled before it is cut out, as in the
        original: what the server makes of the part's own percentiles is then no other.
        """
        if not crop.to_content:
            return volume
        low, high = np.percentile(self._clipped(volume), INPUT_PERCENTILES)
        scaled = (np.clip(volume, low, high) - low) / max(high - low, np.finfo(np.float32).tiny)
        seen: Float32Array = scaled.astype(np.float32)
        return seen

    def _clipped(self, image: AnyArray) -> AnyArray:
        """Intensities as the network shall see them."""
        return np.clip(image, *CT_RANGE_HU) if self.options.ct else image

    def _ask(self, image: AnyArray, min_size: Triple) -> tuple[dict[str, AnyArray], Model]:
        """The answer for a part of a scan, and the model that gave it."""
        options = self.options
        dense_bytes = image.size * self.session.describe().n_labels * _BYTES_PER_PROBABILITY
        all_channels = self.posteriors or dense_bytes < DENSE_LIMIT_BYTES
        outputs = contract.DENSE if all_channels else contract.EVIDENCE
        if options.companions():
            outputs = (contract.NETWORK_LABELS, *outputs)
        return self.session.segment(
            image,
            min_size,
            flip=not options.fast,
            outputs=outputs,
            smooth=not options.forgets_blur,
        )

    def _larger(
        self, asked: Model, last: _Pass, shape: tuple[int, ...], crop: Crop, grown: int
    ) -> Box | None:
        """The part to segment next; None where the last one will do, or is not to be enlarged."""
        if not last.touched or crop.explicit:
            return None
        step = SIZE_MULTIPLE * 2**grown
        return grown_within(asked, last.box, last.touched, shape, step, crop.min_size)

    def _result(self, prepared: Prepared, last: _Pass, notes: list[str]) -> Segmentation:
        clean, model, passes = last.clean, last.model, len(notes) + 1
        if last.touched:
            limit = "" if self.options.crop.explicit else ", and the model takes no larger one"
            notes = [
                *notes,
                f"structures reach {_side_names(last.touched)} of the crop: a larger one may be "
                f"needed{limit}",
            ]
        scores = self._scores(last)
        parcels = self._parcels(last)
        with self.clock("cleanup"):
            grid = ResultGrid(prepared, last.box, keep=self.options.keep_geometry)
            found_parcels = None if parcels is None else parcels.labels
            labels = label_map(
                grid, clean, model, found_parcels, as_original=self.options.as_original
            )
            voxel_mm3 = voxel_volume_mm3(prepared.affine)
            sums = clean.sums(model.n_labels)
            volumes = volumes_mm3(sums, voxel_mm3, model)
            if parcels is not None:
                found = parcel_volumes_mm3(
                    parcels.voxels, sums, voxel_mm3, model, as_original=self.options.as_original
                )
                volumes |= rounded_mm3(parcels.model.label_names[1:], found)
        return Segmentation(
            labels=labels,
            volumes=volumes,
            model=model,
            options=self.options,
            warnings=(*self.scan.warnings, *notes),
            passes=passes,
            seconds=dict(self.clock.seconds),
            grid=grid,
            quality=scores,
            companions=self.companions.models,
            _posteriors=clean,
            _parcels=found_parcels,
        )

    def _scores(self, last: _Pass) -> dict[str, float]:
        if self.companions.scorer is None or last.network_labels is None:
            return {}
        # Beside parcels, the original scores what it answers, blurred or not.
        labels = last.network_labels if self.options.parcels else self._blurred_labels(last)
        with self.turn, self.clock("quality"):
            return ask_for_scores(self.companions.scorer, labels, last.model, self.options)

    def _parcels(self, last: _Pass) -> Parcels | None:
        if self.companions.parcellator is None or last.network_labels is None:
            return None
        clean = last.model.label_values[last.clean.best_channels()]
        done = Segmented(last.image, self._blurred_labels(last), clean)
        with self.turn, self.clock("parcels"):
            return ask_for_parcels(self.companions.parcellator, done, self.options)

    def _blurred_labels(self, last: _Pass) -> AnyArray:
        """What companions are asked with: labels over the network grid, after the blur."""
        if not self.options.forgets_blur and last.network_labels is not None:
            return last.network_labels
        crop = self.options.crop
        with self.turn, self.clock("server"):
            answer, _ = self.session.segment(
                last.image, crop.min_size, flip=False, outputs=(contract.NETWORK_LABELS,)
            )
        return answer[contract.NETWORK_LABELS]


def _cleaned(
    answer: dict[str, AnyArray], shape: Triple, model: Model, *, fast: bool
) -> CleanPosteriors:
    """The cleaned posteriors of an answer, which is emptied: with every channel it is large."""
    evidence = read_evidence(answer, shape, model.n_labels)
    answer.clear()
    return clean_up(evidence, model, fast=fast)


def _side_names(sides: list[tuple[int, int]]) -> str:
    names = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
    return "the " + ", ".join(names[axis][end] for axis, end in sides) + " side"
