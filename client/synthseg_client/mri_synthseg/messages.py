"""What `mri_synthseg` says on standard output, where pipelines may look for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from synthseg_client.batch.tasks import BatchPlan, ScanTask
from synthseg_client.mri_synthseg.arguments import Arguments

_FEW_SCANS = 10
_STEP_OF_MANY = 10
_SAVED = {
    "labels": ("segmentation  saved in:    ", "segmentations saved in:    "),
    "posteriors": ("posteriors saved in:       ", "posteriors saved in:       "),
    "resampled": ("resampled image saved in:  ", "resampled images saved in: "),
}
_VOLUMES_SAVED = "volumes saved in:          "
_SCORES_SAVED = "QC scores saved in:        "
_CITATION = (
    "If you use this tool in a publication, please cite:",
    "SynthSeg: Segmentation of brain MRI scans of any contrast and resolution without retraining",
    "B. Billot, D.N. Greve, O. Puonti, A. Thielscher, K. Van Leemput, B. Fischl, A.V. Dalca, "
    "J.E. Iglesias",
    "Medical Image Analysis, 2023.",
)
_ROBUST_CITATION = (
    "Robust machine learning segmentation for large-scale analysis of heterogeneous clinical "
    "brain MRI datasets",
    "B. Billot, C. Magdamo, Y. Cheng, S.E. Arnold, S. Das, J.E. Iglesias",
    "PNAS, 2023.",
)


def say(*lines: str) -> None:
    """Prints lines, if any, at once: logs of pipelines are read meanwhile."""
    if lines:
        print(*lines, sep="\n", flush=True)


def opening(arguments: Arguments) -> list[str]:
    """The first lines."""
    lines = [arguments.version]
    if arguments.server:
        return [*lines, f"using the server {arguments.server}"]
    if arguments.cpu:
        lines.append("using CPU, hiding all CUDA_VISIBLE_DEVICES")
    cores = arguments.cores
    return [*lines, f"using {cores} thread{'' if cores == 1 else 's'}"]


class Progress:
    """Lines that count scans, every one of few and every tenth of many.

    Args:
        total: Number of scans.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._step = 1 if total <= _FEW_SCANS else _STEP_OF_MANY
        self._started = time.monotonic()

    def before(self, index: int) -> list[str]:
        """The line, if any, before a scan.

        Args:
            index: Scans that are through.
        """
        if index >= self._total or (index and (index + 1) % self._step):
            return []
        line = f"predicting {index + 1}/{self._total}"
        if not index:
            return [line]
        left_s = (time.monotonic() - self._started) / index * (self._total - index)
        return [f"{line}    remaining time: {timedelta(seconds=int(left_s))}"]


def problem(scan: Path, error: str) -> list[str]:
    """Why a scan failed."""
    return [
        "",
        f"the following problem occurred with image {scan} :",
        error,
        "",
        "resuming program execution",
        "",
    ]


def problems(scans: Iterable[Path]) -> list[str]:
    """Which scans failed, at the end."""
    return [
        "",
        "ERROR: some problems occurred for the following inputs (see corresponding errors above):",
        *map(str, scans),
    ]


def saved(plan: BatchPlan, done: Sequence[ScanTask], resampled: Sequence[Path]) -> list[str]:
    """What was written where; nothing of what was not, nor of results in several folders.

    Args:
        plan: All the work.
        done: Scans that did not fail.
        resampled: Scans at 1 mm that were written.
    """
    if not done:
        return []
    many = len(plan.tasks) > 1
    written = {
        "labels": [task.labels for task in done],
        "posteriors": [task.posteriors for task in done if task.posteriors is not None],
        "resampled": list(resampled),
    }
    if many and len({path.parent for path in written["labels"]}) > 1:
        return []
    lines = [""]
    for kind, paths in written.items():
        if paths:
            lines.append(f"{_SAVED[kind][many]}{paths[0].parent if many else paths[0]}")
    for words, table in (
        (_VOLUMES_SAVED, plan.table or done[0].table),
        (_SCORES_SAVED, plan.quality_table or done[0].quality_table),
    ):
        if table is not None:
            lines.append(f"{words}{table}")
    return lines


def closing(arguments: Arguments, peak_kb: int | None) -> list[str]:
    """The last lines of a run in which nothing failed: peak of memory, whom to cite."""
    lines = ["", f"#@# mri_synthseg vmpeak  {peak_kb}", "", *_CITATION]
    return [*lines, "", *_ROBUST_CITATION] if arguments.robust else lines
