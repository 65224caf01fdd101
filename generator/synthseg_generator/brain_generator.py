"""Synthetic scans in Python, without a training.

    from synthseg_generator import BrainGenerator

    for image, labels in BrainGenerator("maps.zarr", seed=1):
        ...

Importing this module loads no TensorFlow; the first sample does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from synthseg_generator.config import GeneratorSettings
from synthseg_generator.plan import SampleParameters
from synthseg_generator.samples import SampleSource
from synthseg_generator.store import LabelStore, cubic_voxel_size_mm, open_store


class Sample(NamedTuple):
    """One synthetic scan.

    Attributes:
        image: float32 `[x, y, z, channel]` in [0, 1], RAS.
        labels: int32 `[x, y, z]`, label values that a network shall answer.
    """

    image: np.ndarray
    labels: np.ndarray


class BrainGenerator:
    """Draws synthetic scans and their labels from a label store, one after the other, without end.

    It has the name and the `generate_brain` of the original. Where the original takes a folder of
    label maps, this takes the store that `synthseg-generator ingest` makes of it, which knows the
    labels; where the original takes many arguments, this takes one settings object.

    Args:
        store: A label store, or its path.
        settings: The generative model; by default that of the released network, 160³ crops.
        seed: Names the stream of samples; the same seed gives the same samples.
        first: Number of the first sample.

    Raises:
        StoreError: There is no store.
        ConfigError: The store's voxels are not cubes.
    """

    def __init__(
        self,
        store: LabelStore | str | os.PathLike[str],
        settings: GeneratorSettings | None = None,
        *,
        seed: int = 0,
        first: int = 0,
    ) -> None:
        opened = store if isinstance(store, LabelStore) else open_store(store)
        self._use(SampleSource(opened, settings or GeneratorSettings(), seed), first)

    @classmethod
    def from_source(cls, source: SampleSource, first: int = 0) -> BrainGenerator:
        """A generator of the samples of a source, such as a plan."""
        generator = cls.__new__(cls)
        generator._use(source, first)
        return generator

    def _use(self, source: SampleSource, first: int) -> None:
        self.source = source
        self.voxel_size_mm = cubic_voxel_size_mm(source.store)
        self._next = first

    def __iter__(self) -> Iterator[Sample]:
        while True:
            yield self.generate_brain()

    def generate_brain(self) -> Sample:
        """Makes the next sample."""
        sample = self.sample(self._next)
        self._next += 1
        return sample

    def sample(self, k: int) -> Sample:
        """Makes sample `k`, the same whenever it is asked for.

        Raises:
            ConfigError: The settings do not fit the label maps.
            StoreError: The label map cannot be read.
        """
        return self.render(self.source.parameters(k))

    def render(self, parameters: SampleParameters) -> Sample:
        """Makes the sample that these parameters describe, drawn or chosen by hand.

        Raises:
            StoreError: The label map cannot be read.
        """
        label_map = self.source.label_map(int(parameters.map_index))
        image, channels = self._graph(label_map, parameters.to_row())
        values = np.array(sorted({0, *self.source.store.labels.targets}), np.int32)
        return Sample(image.numpy(), values[channels.numpy()])

    @cached_property
    def _graph(self) -> Any:
        import tensorflow as tf

        from synthseg_generator.noise import voxel_noise
        from synthseg_generator.synthesis import Synthesizer

        source = self.source
        settings = source.settings
        synthesize = Synthesizer(
            settings, source.store.labels, source.map_shape, self.voxel_size_mm
        )

        @tf.function
        def render(labels: Any, row: Any) -> Any:
            noise = voxel_noise(row["noise_seed"], (*settings.crop.shape, settings.n_channels))
            return synthesize(labels, row, noise)

        return render
