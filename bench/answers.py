"""Segments the scans of the card by the client, all with one server, and keeps what is scored."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import confidence
import nibabel as nib
import numpy as np
from card_scans import CardScan
from overlaps import Dice, dice, read_labels
from synthseg_client.api import open_session
from synthseg_client.calls.session import Session
from synthseg_client.embedded import LocalServer
from synthseg_client.inputs.scans import read_scan
from synthseg_client.options import Options
from synthseg_client.segmentation.one_scan import segment_scan
from synthseg_client.segmentation.result import Segmentation

JOBS = 2


@dataclass(frozen=True)
class Answer:
    """What the model says of a scan.

    Attributes:
        labels: The label map, a file.
        volumes_mm3: By structure, as the client's table gives them.
        doubts: By measure of `confidence.DOUBTS` float64 `[label]`, the model's own labels.
        dice: Against the scan's truth, by label value; empty without one.
    """

    labels: Path
    volumes_mm3: dict[str, float]
    doubts: dict[str, np.ndarray]
    dice: Dice = field(default_factory=dict)


Answers = dict[str, Answer]
"""By the scan's name."""


def segment_all(
    scans: Iterable[CardScan], folder: Path, server: LocalServer, options: Options
) -> Answers:
    """Segments each scan once, however often it is named.

    Args:
        scans: Those of the same name are the same.
        folder: For the label maps; made here.
        server: Started for all of them.
        options: Of the client.
    """
    from synthseg_client.batch.pipeline import in_order

    folder.mkdir()
    chosen = list({scan.name: scan for scan in scans}.values())
    found: Answers = {}
    with open_session(server) as session:

        def work(scan: CardScan, turn: object) -> Answer:
            return _answer(scan, folder, session, replace(options, ct=scan.ct), turn)

        for scan, answer in in_order(chosen, work, jobs=JOBS, abort=session.close):
            found[scan.name] = answer
            print(f"\r{len(found)} of {len(chosen)} scans", end="", file=sys.stderr)
    print(file=sys.stderr)
    return found


def _answer(
    scan: CardScan, folder: Path, session: Session, options: Options, turn: object
) -> Answer:
    made = segment_scan(read_scan(scan.path), session, options, turn=turn)
    labels = read_labels(nib.Nifti1Image(made.labels.astype(np.int16), made.affine))
    path = folder / f"{scan.name}.nii"
    nib.save(labels, path)
    score = {} if scan.truth is None else dice(read_labels(nib.load(scan.truth)), labels)
    return Answer(path, made.volumes, doubts_of(made), score)


def doubts_of(made: Segmentation) -> dict[str, np.ndarray]:
    """How unsure the model is of each label, from the probabilities that the client received.

    `Segmentation.posterior` gives the same, but channel by channel in whole volumes: in seconds.
    """
    clean = made._posteriors
    winners = clean.best_channels().ravel()[clean.voxels]
    return confidence.doubts(winners, clean.probability, clean.sums(made.model.n_labels))


def mean_dice(answers: Answers, names: Sequence[str]) -> Dice:
    """Mean by structure over scans."""
    values = answers[names[0]].dice
    rows = {value: [answers[name].dice[value] for name in names] for value in values}
    return {
        value: float(np.nanmean(row)) if np.isfinite(row).any() else float("nan")
        for value, row in rows.items()
    }
