"""Supervised training: real scans and their label maps instead of synthetic scans.

The loop, the losses, the stages and what a checkpoint holds are the same; only the batches differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import tensorflow as tf
from synthseg_generator.feed.samples import Shard
from synthseg_generator.graph.noise import draw_voxel_noise
from synthseg_generator.scans.augmenter import ScanAugmenter
from synthseg_generator.scans.samples import ScanSampleSource
from synthseg_generator.scans.stored_scans import fingerprint_scans
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore, find_cubic_voxel_size_mm

from synthseg_trainer.aliases import Batch, Tensor
from synthseg_trainer.config import TrainSettings
from synthseg_trainer.training.feed import Feed, local_feed
from synthseg_trainer.training.sources import (
    Sources,
    SyntheticSources,
    map_name,
    replay_command,
)


class ScanSource:
    """Augmented scans and their labels; see `synthseg_trainer.training.sources.BatchSource`.

    Args:
        samples: Which samples.
        feed: Who prepares them.
        left_out: Maps of the store that `samples` does not take.
    """

    def __init__(
        self, samples: ScanSampleSource, feed: Feed = local_feed, left_out: Sequence[str] = ()
    ) -> None:
        samples.check()
        self.samples = samples
        self._feed = feed
        self._left_out = left_out
        store = samples.store
        self._augmenter = ScanAugmenter(
            samples.settings, store.labels, samples.map_shape, find_cubic_voxel_size_mm(store)
        )

    def dataset(self, shard: Shard) -> tf.data.Dataset:
        """See `BatchSource`."""
        return self._feed(self.samples, shard)

    def render(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `BatchSource`."""
        pairs = []
        for i in range(batch["k"].shape[0]):
            row = {name: value[i] for name, value in batch["row"].items()}
            noise = draw_voxel_noise(row["noise_seed"], self._augmenter.noise_shape)
            volumes = (batch["scan"][i], batch["labels"][i])
            pairs.append(self._augmenter.augment(*volumes, row, noise, batch["box_start"][i]))
        images, targets = zip(*pairs, strict=True)
        return tf.stack(images), tf.stack(targets)

    def describe(self, k: int, folder: Path) -> str:
        """See `BatchSource`; writes the settings of the augmentation."""
        samples = self.samples
        noise = {"std": list(astuple(samples.noise.std)), "probability": samples.noise.probability}
        command = replay_command(samples, k, folder, self._left_out, {"noise": noise})
        return f"sample {k}, made from the scan of {map_name(samples, k)}, written by `{command}`"


class ScanSources(SyntheticSources):
    """Scans for training, and others for scores, of maps that are kept out of training.

    Raises:
        TrainerError: No map is left to train on.
        GeneratorError: The store cannot be read, has no map of a name, or lacks a scan.
    """

    @property
    def fingerprint(self) -> str:
        """See `Sources`."""
        return fingerprint_scans(self.training_maps)

    def _source(
        self, maps: LabelStore, generator: GeneratorSettings, seed: int, feed: Feed
    ) -> ScanSource:
        noise = self._settings.supervised.noise
        samples = ScanSampleSource(maps, generator, noise, seed)
        return ScanSource(samples, feed, self._left_out_of(maps))


def sources_of(settings: TrainSettings, feed: Feed = local_feed) -> Sources:
    """What a run learns from: scans if its settings say `supervised`, else synthetic scans."""
    kind = ScanSources if settings.supervised.enabled else SyntheticSources
    return kind(settings, feed)
