"""What DICOM results are called: as they were named, or by their scans' names in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synthseg_common.formats import stem_of

from synthseg_client.batch.collisions import settle
from synthseg_client.batch.naming import Output
from synthseg_client.batch.tasks import BatchPlan, ScanTask
from synthseg_client.errors import UsageError
from synthseg_client.inputs.places import is_folder, is_there

ENDING = ".dcm"
_SUFFIXES = {"--dicom-seg": "_seg", "--dicom-sr": "_sr"}


def with_dicom_outputs(
    plan: BatchPlan,
    segmentations: str | os.PathLike[str] | None,
    reports: str | os.PathLike[str] | None,
    beside: Sequence[str] = (),
) -> BatchPlan:
    """The plan with the DICOM files that are to come of each scan.

    Args:
        plan: From `plan_batch`.
        segmentations: DICOM Segmentation of the one scan, or folder; None for none.
        reports: The same for reports of volumes.
        beside: Endings of the files that will be written beside each label map.

    Raises:
        UsageError: A scan is not DICOM, several scans are to make one file, or a report is to be
            written without the segmentation that it refers to.
    """
    if segmentations is None and reports is None:
        return plan
    if segmentations is None:
        raise UsageError("--dicom-sr: the report refers to segments: give --dicom-seg too.")
    other = next((task for task in plan.tasks if task.series is None), None)
    if other is not None:
        raise UsageError(f"{other.scan}: is not DICOM, which --dicom-seg and --dicom-sr need.")
    seg, sr = Output.of("--dicom-seg", segmentations), Output.of_any("--dicom-sr", reports)
    tasks = tuple(
        replace(
            task,
            dicom_seg=_file_for(seg, task, single=plan.single),
            dicom_sr=None if sr is None else _file_for(sr, task, single=plan.single),
        )
        for task in plan.tasks
    )
    return settle(replace(plan, tasks=tasks), beside)


def _file_for(output: Output, task: ScanTask, *, single: bool) -> Path:
    """The file that comes of a scan."""
    place = output.path
    if place.name.lower().endswith(ENDING) and not output.slash and not is_folder(place):
        if not single:
            raise output.error("several scans need a folder here, not one file.")
        if place.name.lower() == ENDING:
            raise output.error("is an ending alone, expected a name before it.")
        return place
    if is_there(place) and not is_folder(place):
        raise output.error(f"exists and is no folder: expected a folder, or a name with {ENDING}.")
    if stem_of(place) != place.name and not output.slash:
        raise output.error(
            f"DICOM is not written as {place.suffix}: expected a name with {ENDING}."
        )
    return place / f"{task.prefix}{task.row}{_SUFFIXES[output.flag]}{ENDING}"
