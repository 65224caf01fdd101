"""Scores every checkpoint of a run on real scans with label maps, and keeps the best.

RUN/validation/
    step-00001000.json   scores of one checkpoint, and the digest of its weights
    scores.csv           a row per checkpoint, scan and structure
    curve.csv            a row per checkpoint: mean over everything, then each structure
    curves.png           the same as a picture
    best.npz             the network of the best checkpoint, which outlives the run's rotation

Scores stay when their checkpoint is rotated away, so that validating now and then gives the whole
curve.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from synthseg_common.arrays import FloatArray
from synthseg_common.contract import is_brain
from synthseg_common.processing import DEFAULT_LIMIT, VOXEL_MM

from synthseg_trainer.aliases import JsonObject, LabelArray
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.evaluation.image_files import (
    ImageFileError,
    PlacedImage,
    label_on_grid,
    read_image,
    read_image_header,
    read_labels,
)
from synthseg_trainer.evaluation.output import prepare_folder
from synthseg_trainer.evaluation.overlap import dice_scores, mean_of_present
from synthseg_trainer.evaluation.pairs import match_files
from synthseg_trainer.evaluation.scan_grid import on_network_grid
from synthseg_trainer.evaluation.score_tables import MEAN, write_rows
from synthseg_trainer.evaluation.validation_records import (
    Record,
    ValidationError,
    read_records,
    setup_of,
    write_record,
)
from synthseg_trainer.network.bundle import Bundle, load_bundle
from synthseg_trainer.runs.best import keep_if_best
from synthseg_trainer.runs.checkpoints import BUNDLE, CHECKPOINTS, STEP

if TYPE_CHECKING:
    from synthseg_trainer.evaluation.prediction import Predictor

SCORES = "scores.csv"
CURVE = "curve.csv"
CURVES = "curves.png"


@dataclass(frozen=True, kw_only=True)
class ValidationOptions:
    """How checkpoints are scored; all of them alike.

    Attributes:
        flip: Average with the left-right mirrored pass, as a server does.
        limit: Largest side in voxels; longer ones are cut around the structures. `None` for 192,
            the client's default, or all of a scan that shows no brain.
        merge_parcels: Read FreeSurfer's cortical parcels (1xxx, 2xxx) as cortex (3, 42).
    """

    flip: bool = False
    limit: int | None = None
    merge_parcels: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a validation found.

    Attributes:
        records: By step, ascending; those of earlier calls too.
        best: The one with the highest mean.
        folder: Where everything was written.
    """

    records: tuple[Record, ...]
    best: Record
    folder: Path


def validate(
    run: Path,
    scans: Path,
    labels: Path,
    options: ValidationOptions,
    *,
    output: Path | None = None,
    every: int = 1,
    partial: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Scores the checkpoints of a run that are not scored yet.

    Args:
        run: Folder of the run; other files in it do not matter.
        scans: Folder of scans, of any contrast and resolution.
        labels: Folder of label maps of the same names.
        options: How to score.
        output: Folder of the results; `run/validation` by default.
        every: Score every n-th checkpoint.
        partial: Leave out scans that have no label map, instead of refusing them.
        say: Called with a line for each checkpoint.

    Raises:
        TrainerError: There are no checkpoints or scans, the results have no place, or scores were
            made with other scans or options.
    """
    folder = output or run / "validation"
    pairs = match_files(scans, labels, partial=partial)
    checkpoints = _checkpoints(run)[::every]
    setup = setup_of(dataclasses.asdict(options), pairs)
    records = read_records(folder, setup)
    if not checkpoints and not records:
        raise ValidationError(f"{run} holds no checkpoint; expected {CHECKPOINTS}/step-*/{BUNDLE}.")
    prepare_folder(folder)
    scorer = _Scorer(pairs, options)
    for step, path in checkpoints:
        _score_one(scorer, step, path, folder, setup, records, say)
    if not records:
        raise ValidationError(f"{run}: none of its checkpoints can be read.")
    ordered = tuple(record for _, (record, _) in sorted(records.items()))
    best = max(ordered, key=lambda record: record.mean)
    _write_tables(folder, ordered, best)
    return Outcome(ordered, best, folder)


def _score_one(
    scorer: _Scorer,
    step: int,
    path: Path,
    folder: Path,
    setup: JsonObject,
    records: dict[int, tuple[Record, str]],
    say: Callable[[str], None],
) -> None:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if step in records:
            _refuse_other_weights(folder, step, digest, records[step][1])
            say(f"step {step}: mean Dice {records[step][0].mean:.3f} (scored before)")
            return
        bundle = load_bundle(path)
    except (OSError, CheckpointError) as error:
        # A run that goes on rotates checkpoints away meanwhile.
        say(f"step {step}: left out, {error}")
        return
    record = scorer(step, bundle)
    keep_if_best(folder, bundle, record.mean, scans=len(record.scans))
    write_record(folder, record, digest, setup)
    records[step] = (record, digest)
    say(f"step {step}: mean Dice {record.mean:.3f}")


def _refuse_other_weights(folder: Path, step: int, found: str, scored: str) -> None:
    if found != scored:
        raise ValidationError(
            f"{folder} holds scores of another run: step {step} had other weights then. "
            "Name another folder with --o, or remove it."
        )


class _Scorer:
    """Scores networks on the same scans; one of one shape after the other shares its graph."""

    def __init__(self, pairs: Mapping[str, tuple[Path, ...]], options: ValidationOptions) -> None:
        self._pairs = pairs
        self._options = options
        self._predictor: Predictor | None = None
        _refuse_unreadable([path for files in pairs.values() for path in files])

    def __call__(self, step: int, bundle: Bundle) -> Record:
        _refuse_unfit_network(bundle)
        predictor = self._predictor_for(bundle)
        values = np.array(bundle.labels.values)
        rows = []
        for scan, labels in self._pairs.values():
            image, truth = self._prepare(scan, labels, bundle)
            channels = predictor.segment(
                image,
                flip=self._options.flip and bool(bundle.info.get("mirrored", True)),
                **({} if is_brain(bundle.info) else {"min_size": 1}),
            )
            rows.append(dice_scores(truth, values[channels], bundle.labels.values[1:]))
        scored = np.array(rows)
        if not np.isfinite(scored).any():
            raise ValidationError(
                "neither the label maps nor the answers hold any label of the network: "
                f"{', '.join(map(str, values[1:6]))}, ..."
            )
        names = bundle.labels.names[1:]
        return Record(step, tuple(self._pairs), bundle.labels.values[1:], names, scored)

    def _predictor_for(self, bundle: Bundle) -> Predictor:
        from synthseg_trainer.evaluation.prediction import Predictor

        if self._predictor is None or self._predictor.network != bundle.network:
            self._predictor = Predictor(bundle.network, bundle.labels.flip_channels)
        self._predictor.load(bundle.weights)
        return self._predictor

    def _prepare(self, scan: Path, labels: Path, bundle: Bundle) -> tuple[FloatArray, LabelArray]:
        """A scan as the network takes it, and its label map on the same grid."""
        voxel_mm = float(bundle.info.get("voxel_size_mm", VOXEL_MM))
        image = on_network_grid(read_image(scan), voxel_mm)
        known = read_labels(labels, merge_parcels=self._options.merge_parcels)
        truth = label_on_grid(known, image.values.shape, image.affine)
        limit = self._options.limit or (DEFAULT_LIMIT if is_brain(bundle.info) else None)
        box = _box_around(PlacedImage(truth, image.affine), limit)
        return image.values[box], truth[box]


def _refuse_unreadable(paths: Sequence[Path]) -> None:
    """Looks at all headers before the first network is scored.

    Raises:
        VolumeError: Files are missing or broken; it names them all.
    """
    broken = []
    for path in paths:
        try:
            read_image_header(path)
        except ImageFileError as error:
            broken.append(str(error))
    if broken:
        raise ImageFileError("\n".join(broken))


def _refuse_unfit_network(bundle: Bundle) -> None:
    """Refuses networks that no scan can be prepared for.

    Raises:
        ValidationError: The network takes several channels, or voxels that are no cubes.
    """
    if bundle.network.n_channels != 1:
        raise ValidationError(
            f"the network takes {bundle.network.n_channels} channels; "
            "only networks of 1 can be validated on scans."
        )
    if isinstance(sizes := bundle.info.get("voxel_size_mm", VOXEL_MM), list):
        raise ValidationError(
            f"the network was trained on voxels with sides of {' and '.join(map(str, sizes))} mm; "
            "only networks of cubic voxels can be validated on scans."
        )


def _box_around(labels: PlacedImage, limit: int | None) -> tuple[slice, ...]:
    """A box of at most `limit` voxels a side, centred on the structures where it cuts."""
    box = []
    for axis, size in enumerate(labels.values.shape):
        if limit is None or size <= limit:
            box.append(slice(0, size))
            continue
        others = tuple({0, 1, 2} - {axis})
        inside = np.flatnonzero(labels.values.any(axis=others))
        middle = (int(inside[0]) + int(inside[-1]) + 1) // 2 if len(inside) else size // 2
        start = min(max(middle - limit // 2, 0), size - limit)
        box.append(slice(start, start + limit))
    return tuple(box)


def _checkpoints(run: Path) -> list[tuple[int, Path]]:
    """Steps and bundles of a run's checkpoints, ascending; whatever else lies there is passed."""
    if not run.is_dir():
        raise ValidationError(f"{run}: no such run.")
    parent = run / CHECKPOINTS if (run / CHECKPOINTS).is_dir() else run
    found = []
    for path in parent.iterdir():
        name = STEP.fullmatch(path.name)
        if name and (path / BUNDLE).is_file():
            found.append((int(name[1]), path / BUNDLE))
    return sorted(found)


def _write_tables(folder: Path, records: Sequence[Record], best: Record) -> None:
    from synthseg_trainer.evaluation.figures import draw_curves

    labels, names = best.labels, best.names
    # A run's table does not change; should a folder mix runs, what does not fit is left out.
    records = [record for record in records if record.labels == labels]
    rows = [
        [record.step, scan, label, name, record.dice[row, column]]
        for record in records
        for row, scan in enumerate(record.scans)
        for column, (label, name) in enumerate(zip(labels, names, strict=True))
    ]
    write_rows(folder / SCORES, ["step", "subject", "label", "structure", "dice"], rows)
    curve = [[record.step, record.mean, *mean_of_present(record.dice)] for record in records]
    write_rows(folder / CURVE, ["step", MEAN, *names], curve)
    dice = np.stack([record.dice for record in records])
    steps = [record.step for record in records]
    draw_curves(folder / CURVES, steps, dice, names, steps.index(best.step))
