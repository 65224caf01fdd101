"""Synthetic scans in Python, without a training.

    from synthseg_generator import BrainGenerator

    for image, labels in BrainGenerator("maps.zarr", seed=1):
        ...

Importing this module loads no TensorFlow; the first sample does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from synthseg_common.labels import GenerationLabels

from synthseg_generator.draws.sample_parameters import SampleParameters
from synthseg_generator.feed.placement import locate_crop
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore, find_cubic_voxel_size_mm, open_store


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
    labels; where the original takes many arguments, this takes one settings object. Its `aff` is
    `affine(k)` here, for crops differ in place; `generate` writes files.

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
        self.voxel_size_mm = find_cubic_voxel_size_mm(source.store)
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
        source = self.source
        labels = source.labels
        graph = _build_graph(source.settings, labels, source.map_shape, self.voxel_size_mm)
        ids = source.label_map(int(parameters.map_index))
        image, channels = graph(ids, parameters.to_row())
        values = np.array(sorted({0, *labels.targets}), np.int32)
        return Sample(image.numpy(), values[channels.numpy()])

    def affine(self, k: int) -> np.ndarray:
        """Where sample `k` lies: in the place of the map that it was cut from.

        Returns:
            float64 `[4, 4]`, voxel indices to RAS mm, as a NIfTI file takes it.

        Raises:
            ConfigError: The settings do not fit the label maps.
            StoreError: The label map cannot be read.
        """
        return locate_crop(self.source, self.source.parameters(k))


@lru_cache(maxsize=4)
def _build_graph(
    settings: GeneratorSettings,
    labels: GenerationLabels,
    map_shape: tuple[int, int, int],
    voxel_size_mm: float,
) -> Any:
    """The compiled graph from a map and a row of parameters to image and channels.

    Building one takes seconds, so generators that differ in their samples alone share it.
    """
    import tensorflow as tf

    from synthseg_generator.graph.noise import draw_voxel_noise
    from synthseg_generator.graph.synthesizer import Synthesizer

    synthesize = Synthesizer(settings, labels, map_shape, voxel_size_mm)

    @tf.function
    def render(ids: Any, row: Any) -> Any:
        return synthesize(ids, row, draw_voxel_noise(row["noise_seed"], synthesize.noise_shape))

    return render
