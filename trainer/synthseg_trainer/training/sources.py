"""Where the images and targets of a run come from: synthetic scans of the maps of a label store.

Another kind of training is another `Sources`, handed to `synthseg_trainer.training.loop.train`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import tensorflow as tf
from synthseg_common.files import write_text
from synthseg_common.labels import SegmentationLabels
from synthseg_generator.feed.samples import SampleSource, Shard, make_sample_dataset
from synthseg_generator.graph.noise import draw_voxel_noise
from synthseg_generator.settings.files import digest_settings, dump_settings
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore, open_store

from synthseg_trainer.aliases import Batch, JsonObject, Tensor
from synthseg_trainer.config import Stage, TrainSettings
from synthseg_trainer.runs.maps import maps_for_training
from synthseg_trainer.training.batch import make_synthesizer
from synthseg_trainer.training.feed import Feed, local_feed


class BatchSource(Protocol):
    """Samples of one kind: what the input pipeline carries, and what a device makes of it.

    Sample k is the same whenever it is asked for: a run that resumes, or another number of devices,
    asks for it again.
    """

    def dataset(self, shard: Shard) -> tf.data.Dataset:
        """The samples of a shard in its order, one element each.

        Returns:
            Mappings with the sample's number, `k` int64 `[]`, and what `render` needs. They are
            batched with `padded_batch`: what differs in size must bear padding at its end.
        """

    def render(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Makes images and targets of a batch of elements, inside the graph of a step.

        Returns:
            float32 `[b, x, y, z, channel]`, and int32 `[b, x, y, z]`, channels of the network.
        """

    def describe(self, k: int, folder: Path) -> str:
        """Sample `k` in words: what it is made from, and how to see it again.

        Args:
            k: Number of the sample.
            folder: Where a file that this needs may be written.
        """


class Sources(Protocol):
    """All that a run learns from."""

    @property
    def labels(self) -> SegmentationLabels:
        """What the network's channels mean."""

    @property
    def fingerprint(self) -> str:
        """Digest of the data that samples are made from; a run is resumed with the same only."""

    def of_stage(self, stage: Stage) -> BatchSource:
        """Samples of a stage."""

    def of_validation(self) -> BatchSource | None:
        """Samples for scores while training; `None` for no scores."""


class SyntheticSource:
    """Synthetic scans of label maps.

    Args:
        samples: Which samples.
        feed: Who prepares them.
        left_out: Maps of the store that `samples` does not take.
    """

    def __init__(
        self, samples: SampleSource, feed: Feed = make_sample_dataset, left_out: Sequence[str] = ()
    ) -> None:
        samples.check()
        self.samples = samples
        self._feed = feed
        self._left_out = left_out
        self._synthesizer = make_synthesizer(samples)
        # Traced once for all samples of a batch.
        self._render_one = tf.function(self._synthesize, autograph=False)

    def dataset(self, shard: Shard) -> tf.data.Dataset:
        """See `BatchSource`."""
        return self._feed(self.samples, shard)

    def render(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `BatchSource`."""
        boxes = batch.get("box_start")
        pairs = [
            self._render_one(
                batch["labels"][i],
                {name: value[i] for name, value in batch["row"].items()},
                None if boxes is None else boxes[i],
            )
            for i in range(batch["k"].shape[0])
        ]
        images, targets = zip(*pairs, strict=True)
        return tf.stack(images), tf.stack(targets)

    def _synthesize(self, labels: Tensor, row: Batch, box: Tensor | None) -> tuple[Tensor, Tensor]:
        noise = draw_voxel_noise(row["noise_seed"], self._synthesizer.noise_shape)
        image, target = self._synthesizer(labels, row, noise, box)
        return image, target

    def describe(self, k: int, folder: Path) -> str:
        """See `BatchSource`; writes the settings of the generative model."""
        command = replay_command(self.samples, k, folder, self._left_out)
        return f"sample {k}, made from map {map_name(self.samples, k)}, written by `{command}`"


def map_name(samples: SampleSource, k: int) -> str:
    """Name of the map that sample `k` is made from."""
    return samples.store.names[int(samples.parameters(k).map_index)]


def replay_command(
    samples: SampleSource,
    k: int,
    folder: Path,
    left_out: Sequence[str],
    supervised: JsonObject | None = None,
) -> str:
    """The command that writes sample `k` again; its settings become a file in `folder`.

    Args:
        samples: Which samples.
        k: Number of the sample.
        folder: Where the settings are written, and where the command writes.
        left_out: Maps of the store that `samples` does not take.
        supervised: Settings of augmented scans, if it is one.
    """
    settings: dict[str, object] = {"generator": dump_settings(samples.settings)}
    if supervised is not None:
        settings["supervised"] = supervised
    replay = folder / f"replay-{digest_settings(samples.settings)[:8]}"
    path = replay.with_suffix(".json")
    write_text(path, json.dumps(settings, indent=1) + "\n")
    command = ["synthseg-generator", "generate", samples.store.path, str(replay)]
    command += ["--settings", str(path), "--seed", str(samples.seed)]
    command += ["--first", str(k), "--samples", "1"]
    command += [] if supervised is None else ["--scans"]
    command += [word for name in left_out for word in ("--without", name)]
    return shlex.join(command)


class SyntheticSources:
    """Synthetic scans for training, and others for scores, of maps that are kept out of training.

    Args:
        settings: The run.
        feed: Who prepares the samples for training; by default this process.

    Raises:
        TrainerError: No map is left to train on.
        GeneratorError: The store cannot be read, or has no map of a name.
    """

    def __init__(self, settings: TrainSettings, feed: Feed = local_feed) -> None:
        self._settings = settings
        self._feed = feed
        self.store = open_store(settings.store)
        self.training_maps = maps_for_training(self.store, settings)

    @property
    def labels(self) -> SegmentationLabels:
        """See `Sources`."""
        return self.store.table.segmentation_labels(self._settings.stages[0].generator.labels)

    @property
    def fingerprint(self) -> str:
        """See `Sources`."""
        return self.training_maps.fingerprint

    def of_stage(self, stage: Stage) -> BatchSource:
        """See `Sources`."""
        return self._source(self.training_maps, stage.generator, self._settings.seed, self._feed)

    def of_validation(self) -> BatchSource | None:
        """See `Sources`."""
        validation = self._settings.validation
        if not validation.maps:
            return None
        held_out = self.store.select(validation.maps)
        return self._source(held_out, validation.generator, validation.seed, local_feed)

    def _source(
        self, maps: LabelStore, generator: GeneratorSettings, seed: int, feed: Feed
    ) -> BatchSource:
        """Samples of some maps of the store."""
        return SyntheticSource(SampleSource(maps, generator, seed), feed, self._left_out_of(maps))

    def _left_out_of(self, maps: LabelStore) -> list[str]:
        return [name for name in self.store.names if name not in maps.names]
