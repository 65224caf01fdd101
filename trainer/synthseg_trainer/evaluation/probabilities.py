"""Soft Dice of probability maps, as files."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from synthseg_common.arrays import FloatArray
from synthseg_common.images import ImageHeader
from synthseg_common.labels import BACKGROUND
from synthseg_generator.label_table import LABEL_TABLES

from synthseg_trainer.evaluation.comparison import ComparisonError
from synthseg_trainer.evaluation.image_files import (
    ImageFileError,
    PlacedImage,
    label_on_grid,
    read_each_image,
    read_image_header,
    read_labels,
)
from synthseg_trainer.evaluation.label_lists import LabelList
from synthseg_trainer.evaluation.overlap import dice_of_masks


def check_channels(pairs: Mapping[str, tuple[Path, ...]], channels: LabelList | None) -> None:
    """Looks at the headers of probability maps alone; arguments as for `compare_probabilities`.

    What cannot be read is passed over: `compare_probabilities` tells.

    Raises:
        ComparisonError: The channels are not the labels'.
    """
    for _, probabilities in pairs.values():
        with suppress(ImageFileError):
            _labels_of_channels(read_image_header(probabilities).shape, channels, probabilities)


def compare_probabilities(
    pairs: Mapping[str, tuple[Path, ...]],
    labels: LabelList,
    channels: LabelList | None = None,
    *,
    merge_parcels: bool = False,
) -> FloatArray:
    """Soft Dice of probability maps.

    Args:
        pairs: By scan the true label map and the file of probabilities, `[x, y, z, channel]`.
        labels: Which to score.
        channels: The labels of all channels, in any order: channels ascend by label value. The
            first may be background and not in the list. By default the labels of the released model
            that has as many.
        merge_parcels: Read FreeSurfer's cortical parcels as cortex in the truth.

    Returns:
        float64 `[scan, label + 1]`; NaN for labels that have no channel; the last column is
        everything that is not background.

    Raises:
        VolumeError: A file cannot be read.
        ComparisonError: The channels are not the labels'.
    """
    rows = []
    for truth, probabilities in pairs.values():
        expected = read_labels(truth, merge_parcels=merge_parcels)
        header = read_image_header(probabilities)
        known = _labels_of_channels(header.shape, channels, probabilities)
        by_label = _soft_scores(expected, header, known)
        nothing = float("nan")
        rows.append([by_label.get(label, nothing) for label in (*labels.values, None)])
    return np.array(rows)


def _labels_of_channels(
    shape: tuple[int, ...], channels: LabelList | None, path: Path
) -> tuple[int, ...]:
    """Label value of each channel."""
    count = shape[3] if len(shape) == 4 else 0
    tables = [t.segmentation_labels().values for t in LABEL_TABLES.values()]
    if channels is not None:
        ascending = tuple(sorted(channels.values))
        tables = [ascending, (BACKGROUND, *ascending)]
    for table in tables:
        if len(table) == count:
            return table
    expected = " or ".join(str(len(table)) for table in tables)
    raise ComparisonError(
        f"{path} has shape {shape}, expected x, y, z and {expected} channels: "
        "name the labels of all channels with --labels."
    )


def _soft_scores(
    expected: PlacedImage, header: ImageHeader, labels: tuple[int, ...]
) -> dict[int | None, float]:
    shape = header.shape[:3]
    truth = label_on_grid(expected, shape, header.placement.affine)
    foreground = np.zeros(shape, np.float32)
    scores: dict[int | None, float] = {}
    for label, values in zip(labels, read_each_image(header), strict=True):
        # The original writes NaN where its clean-up leaves nothing: that is background.
        channel = np.nan_to_num(values.astype(np.float32), nan=float(label == BACKGROUND))
        scores[label] = dice_of_masks(truth == label, channel)
        if label != BACKGROUND:
            foreground += channel
    scores[None] = dice_of_masks(truth != BACKGROUND, foreground)
    return scores
