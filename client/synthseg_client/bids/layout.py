"""What the derivatives of a scan are called, and the batch that makes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthseg_client.batch.collisions import settle
from synthseg_client.batch.tasks import BatchPlan, Refusal, ScanTask
from synthseg_client.bids.names import BidsName, derived_name
from synthseg_client.bids.vocabulary import vocabulary
from synthseg_client.bids.walk import FoundScan, Problem, Walked
from synthseg_client.errors import UsageError

SPACE = {"space": "orig"}
SEGMENTATION = {"seg": "synthseg"}
AT_1_MM = {"res": "1mm"}
LABELS, PROBABILITIES = "dseg", "probseg"
VOLUMES, QUALITY = "volumes", "quality"
"""Suffixes of tables of one scan, which BIDS does not know: `.bidsignore` names them."""
TABLE_ENDING = ".tsv"


@dataclass(frozen=True, kw_only=True)
class Derivatives:
    """What is made of each scan beside label maps and volumes.

    Attributes:
        probabilities: Probability maps on the scan's own grid.
        resampled: The scan at 1 mm.
        quality: Scores of the segmentation.
    """

    probabilities: bool = False
    resampled: bool = False
    quality: bool = False


def plan_dataset(
    root: Path, out: Path, walked: Walked, made: Derivatives, beside: Sequence[str]
) -> BatchPlan:
    """The batch that makes the derivatives of a dataset's scans.

    Args:
        root: The dataset's folder.
        out: Folder of the derivatives.
        walked: The scans; what is missing is refused, so that it is told and counted as failed.
        made: What is made of each.
        beside: Endings of the files that go with each label map.

    Raises:
        UsageError: There is nothing to work on.
    """
    if not walked.scans and not walked.problems:
        raise UsageError(
            f"{root}: no scan was found: expected sub-*/[ses-*/]anat/*_T1w.nii.gz or others of "
            "--suffix; are labels and filters those of this dataset?"
        )
    tasks = tuple(task_of(scan, root, out, made) for scan in walked.scans)
    plan = settle(BatchPlan(tasks, None, single=False, folder=out), beside)
    refused = [_refusal(problem, root, out) for problem in walked.problems]
    return BatchPlan(plan.tasks, None, single=False, folder=out, refused=(*plan.refused, *refused))


def task_of(scan: FoundScan, root: Path, out: Path, made: Derivatives) -> ScanTask:
    """One scan and the names of its derivatives."""
    folder = out / scan.path.parent.relative_to(root)
    words = vocabulary()

    def image(suffix: str, allowed: Iterable[str], **added: str) -> Path:
        return folder / str(derived_name(scan.name, suffix, allowed, **SPACE, **added))

    def table(suffix: str) -> Path:
        name = derived_name(scan.name, suffix, words.of_segmentations, **SPACE, **SEGMENTATION)
        return folder / str(BidsName(name.entities, suffix, TABLE_ENDING))

    return ScanTask(
        scan.path,
        image(LABELS, words.of_segmentations, **SEGMENTATION),
        posteriors=image(PROBABILITIES, words.of_probabilities, **SEGMENTATION)
        if made.probabilities
        else None,
        resampled=image(scan.name.suffix, words.keys, **AT_1_MM) if made.resampled else None,
        table=table(VOLUMES),
        quality_table=table(QUALITY) if made.quality else None,
        labels_at_1_mm=image(LABELS, words.of_segmentations, **SEGMENTATION, **AT_1_MM),
        describe_all=True,
    )


def _refusal(problem: Problem, root: Path, out: Path) -> Refusal:
    """What is not there, told as a scan that failed."""
    task = ScanTask(problem.path, out / problem.path.relative_to(root))
    return Refusal(task, f"{problem.path}: {problem.reason}.")
