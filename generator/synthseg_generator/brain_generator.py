"""Synthetic scans in Python, without a training.

    from synthseg_generator import BrainGenerator

    for image, labels in BrainGenerator("maps.zarr", seed=1):
        ...

Importing this module loads no TensorFlow; the first sample does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from synthseg_common.labels import GenerationLabels

from synthseg_generator.draws.sample_parameters import SampleParameters
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.sample import Sample, SourcedSamples
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore, open_store

Render = Callable[..., Any]
"""A compiled graph; it gives tensors of image and channels."""


class BrainGenerator(SourcedSamples[SampleSource]):
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
        super().__init__(SampleSource(opened, settings or GeneratorSettings(), seed), first)

    @classmethod
    def from_source(cls, source: SampleSource, first: int = 0) -> BrainGenerator:
        """A generator of the samples of a source, such as a plan."""
        generator = cls.__new__(cls)
        SourcedSamples.__init__(generator, source, first)
        return generator

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


@lru_cache(maxsize=4)
def _build_graph(
    settings: GeneratorSettings,
    labels: GenerationLabels,
    map_shape: tuple[int, int, int],
    voxel_size_mm: float,
) -> Render:
    """The compiled graph from a map and a row of parameters to image and channels.

    The last ones are kept for the process: building one takes seconds and depends on these
    arguments alone. Generators that differ in their samples share it, and so do the tasks of a
    Dask worker, which have nothing else in common.
    """
    import tensorflow as tf

    from synthseg_generator.graph.noise import draw_voxel_noise
    from synthseg_generator.graph.synthesizer import Synthesizer

    synthesize = Synthesizer(settings, labels, map_shape, voxel_size_mm)

    def render(ids: Any, row: Any) -> Any:
        return synthesize(ids, row, draw_voxel_noise(row["noise_seed"], synthesize.noise_shape))

    compiled: Render = tf.function(render)
    return compiled
