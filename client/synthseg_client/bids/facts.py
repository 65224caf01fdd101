"""What the sidecar of a derivative tells, as BIDS asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthseg_common.images import voxel_sizes_mm

from synthseg_client.batch.tasks import ScanTask
from synthseg_client.segmentation.result import Segmentation

RAW = "raw"
"""What derivatives call the dataset that they were made of."""


@dataclass(frozen=True)
class BidsFacts:
    """Tells of the images that are made of a dataset's scans.

    Args:
        root: The dataset's folder.
    """

    root: Path

    def __call__(self, task: ScanTask, image: Path, result: Segmentation) -> dict[str, object]:
        """The fields of an image's sidecar that BIDS knows."""
        source = f"bids:{RAW}:{task.scan.relative_to(self.root).as_posix()}"
        told: dict[str, object] = {
            "Description": _description(task, image),
            "Sources": [source],
            "SpatialReference": source,
        }
        if image in (task.labels_at_1_mm, task.resampled):
            told["Resolution"] = _resolution(result)
        if image == task.resampled:
            return {**told, "SkullStripped": False}
        if image == task.posteriors:
            # Of the volumes of this file, in their order; parcels have none.
            told["LabelMap"] = list(result.model.label_names)
        return {**told, "Manual": False}


def _description(task: ScanTask, image: Path) -> str:
    if image == task.resampled:
        return "The scan, resampled along its own axes to the voxel size that it is segmented at."
    if image == task.posteriors:
        return "Probabilities of structures by SynthSeg, on the scan's own grid."
    at_1_mm = image == task.labels_at_1_mm
    grid = "1 mm along the scan's own axes" if at_1_mm else "on the scan's own grid"
    return f"Structures of the brain by SynthSeg, {grid}."


def _resolution(result: Segmentation) -> str:
    sizes = np.round(voxel_sizes_mm(result.resampled_affine), 3)
    return f"{' x '.join(f'{size:g}' for size in sizes)} mm"
