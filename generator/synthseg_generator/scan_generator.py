"""Augmented scans outside a training: to look at them, or to see one sample again.

Importing this module loads no TensorFlow; the first sample does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from synthseg_common.labels import GenerationLabels

from synthseg_generator.brain_generator import BrainGenerator, Render
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.sample import Sample, Samples, SourcedSamples
from synthseg_generator.scans.samples import ScanSampleSource
from synthseg_generator.settings.generator import GeneratorSettings


class ScanGenerator(SourcedSamples[ScanSampleSource]):
    """Augments the scans of a store as a supervised training does.

    The noise of a sample is no part of its parameters, so it is made by its number alone.
    """

    def sample(self, k: int) -> Sample:
        """Makes sample `k`, the same whenever it is asked for.

        Raises:
            ConfigError: The settings do not fit the label maps.
            StoreError: The scan or its label map cannot be read.
        """
        source = self.source
        parameters = source.parameters(k)
        index = int(parameters.map_index)
        row = {**parameters.to_row(), "scan_noise": source.draw_noise(k)}
        graph = _build_graph(
            source.settings, source.store.labels, source.map_shape, self.voxel_size_mm
        )
        image, channels = graph(source.scan(index), source.label_map(index), row)
        values = np.array(sorted({0, *source.labels.targets}), np.int32)
        return Sample(image.numpy(), values[channels.numpy()])


def choose_generator(source: SampleSource) -> Samples:
    """What makes the samples of a source, synthetic or of scans."""
    if isinstance(source, ScanSampleSource):
        return ScanGenerator(source)
    return BrainGenerator.from_source(source)


@lru_cache(maxsize=1)
def _build_graph(
    settings: GeneratorSettings,
    labels: GenerationLabels,
    map_shape: tuple[int, int, int],
    voxel_size_mm: float,
) -> Render:
    """The compiled graph from a scan, its map and a row of parameters to image and channels.

    The last one is kept for the process, for the reasons of `brain_generator`'s.
    """
    import tensorflow as tf

    from synthseg_generator.graph.noise import draw_voxel_noise
    from synthseg_generator.scans.augmenter import ScanAugmenter

    augmenter = ScanAugmenter(settings, labels, map_shape, voxel_size_mm)

    def augment(scan: Any, label_map: Any, row: Any) -> Any:
        noise = draw_voxel_noise(row["noise_seed"], augmenter.noise_shape)
        return augmenter.augment(scan, label_map, row, noise, np.zeros(3, np.int32))

    compiled: Render = tf.function(augment)
    return compiled
