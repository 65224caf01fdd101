"""What a network carries of its training: the recipe, and what clients must know of the anatomy."""

from __future__ import annotations

import dataclasses
import json

from synthseg_common.labels import SegmentationLabels

from synthseg_trainer.aliases import JsonObject, Weights
from synthseg_trainer.config import TrainSettings
from synthseg_trainer.network.bundle import Bundle


def training_info(settings: TrainSettings) -> JsonObject:
    """Provenance of a network, as JSON values.

    Args:
        settings: The run.

    Returns:
        `training` (its `settings`), `anatomy` of the label maps, `voxel_size_mm` of the samples
        and `mirrored`, whether some of them were.

    Raises:
        StoreError: The store cannot be opened.
    """
    # Who serves a network has no stores, nor what reads them.
    from synthseg_generator.store.label_store import open_store

    store = open_store(settings.store)
    crop = settings.stages[-1].generator.crop
    sizes = sorted({round(float(mm), 4) for mm in crop.spacing_mm or store.voxel_size_mm})
    return {
        "training": {"settings": settings_as_json(settings)},
        "anatomy": store.table.anatomy,
        "voxel_size_mm": sizes[0] if len(sizes) == 1 else sizes,
        "mirrored": any(stage.generator.flip_probability > 0 for stage in settings.stages),
    }


def bundle_at(
    step: int,
    settings: TrainSettings,
    labels: SegmentationLabels,
    weights: Weights,
    info: JsonObject,
) -> Bundle:
    """A network in training, with its provenance.

    Args:
        step: Steps done.
        settings: The run.
        labels: What the network's channels mean.
        weights: By `<layer>/<variable>`.
        info: Of the run, see `training_info`.
    """
    training = {"step": step, **info["training"]}
    return Bundle(
        network=settings.network,
        labels=labels,
        weights=weights,
        info={**info, "training": training},
    )


def settings_as_json(settings: TrainSettings) -> JsonObject:
    """The settings as the nested JSON values that a checkpoint holds."""
    values: JsonObject = json.loads(json.dumps(dataclasses.asdict(settings)))
    return values
