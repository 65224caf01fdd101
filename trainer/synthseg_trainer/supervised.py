"""Supervised training: real scans and their label maps instead of synthetic scans.

The loop, the losses, the stages and what a checkpoint holds are the same; only the batches differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from synthseg_generator.config import GeneratorSettings
from synthseg_generator.labels import SegmentationLabels
from synthseg_generator.noise import voxel_noise
from synthseg_generator.samples import Shard
from synthseg_generator.scan_samples import ScanSampleSource
from synthseg_generator.scan_store import scans_fingerprint
from synthseg_generator.scan_synthesis import ScanAugmenter
from synthseg_generator.store import LabelStore, cubic_voxel_size_mm

from synthseg_trainer.config import Stage, TrainSettings
from synthseg_trainer.feed import Feed, local_feed
from synthseg_trainer.sources import Sources, SyntheticSources

Tensor = Any


class ScanSource:
    """Augmented scans and their labels; see `synthseg_trainer.sources.BatchSource`.

    Args:
        samples: Which samples.
        feed: Who prepares them.
    """

    def __init__(self, samples: ScanSampleSource, feed: Feed = local_feed) -> None:
        self.samples = samples
        self._feed = feed
        store = samples.store
        self._augmenter = ScanAugmenter(
            samples.settings, store.labels, samples.map_shape, cubic_voxel_size_mm(store)
        )

    def dataset(self, shard: Shard) -> tf.data.Dataset:
        """See `BatchSource`."""
        return self._feed(self.samples, shard)

    def render(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """See `BatchSource`."""
        pairs = []
        for i in range(batch["k"].shape[0]):
            row = {name: value[i] for name, value in batch["row"].items()}
            noise = voxel_noise(row["noise_seed"], self._augmenter.noise_shape)
            volumes = (batch["scan"][i], batch["labels"][i])
            pairs.append(self._augmenter.augment(*volumes, row, noise, batch["box_start"][i]))
        images, targets = zip(*pairs, strict=True)
        return tf.stack(images), tf.stack(targets)

    def describe(self, k: int, folder: Path) -> str:
        """See `BatchSource`."""
        samples = self.samples
        name = samples.store.names[int(samples.parameters(k).map_index)]
        return f"sample {k} of seed {samples.seed}, made from the scan of {name}"


class ScanSources:
    """Scans for training, and others for scores, of maps that are kept out of training.

    Args:
        settings: The run.
        feed: Who prepares the samples for training; by default this process.

    Raises:
        TrainerError: No map is left to train on.
        GeneratorError: The store cannot be read, has no map of a name, or lacks a scan.
    """

    def __init__(self, settings: TrainSettings, feed: Feed = local_feed) -> None:
        self._settings = settings
        self._feed = feed
        maps = SyntheticSources(settings)
        self.store, self.training_maps = maps.store, maps.training_maps

    @property
    def labels(self) -> SegmentationLabels:
        """See `Sources`."""
        return self.store.table.segmentation_labels(self._settings.stages[0].generator.labels)

    @property
    def fingerprint(self) -> str:
        """See `Sources`."""
        return scans_fingerprint(self.training_maps)

    def of_stage(self, stage: Stage) -> ScanSource:
        """See `Sources`."""
        return self._source(self.training_maps, stage.generator, self._settings.seed, self._feed)

    def of_validation(self) -> ScanSource | None:
        """See `Sources`."""
        validation = self._settings.validation
        if not validation.maps:
            return None
        held_out = self.store.select(validation.maps)
        return self._source(held_out, validation.generator, validation.seed, local_feed)

    def _source(
        self, store: LabelStore, generator: GeneratorSettings, seed: int, feed: Feed
    ) -> ScanSource:
        noise = self._settings.supervised.noise
        return ScanSource(ScanSampleSource(store, generator, noise, seed), feed)


def sources_of(settings: TrainSettings, feed: Feed = local_feed) -> Sources:
    """What a run learns from: scans if its settings say `supervised`, else synthetic scans."""
    kind = ScanSources if settings.supervised.enabled else SyntheticSources
    return kind(settings, feed)
