"""Augmented scans outside a training: to look at them, or to see one sample again.

Importing this module loads no TensorFlow; the first sample does.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from synthseg_generator.brain_generator import BrainGenerator, Sample
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.scans.samples import ScanSampleSource


class ScanGenerator(BrainGenerator):
    """Augments the scans of a store as a supervised training does; see `BrainGenerator`.

    Its noise is no part of a sample's parameters, so parameters alone cannot be rendered.
    """

    source: ScanSampleSource

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
        image, channels = self._graph(source.scan(index), source.label_map(index), row)
        values = np.array(sorted({0, *source.labels.targets}), np.int32)
        return Sample(image.numpy(), values[channels.numpy()])

    def render(self, parameters: Any) -> Sample:
        """Refuses.

        Raises:
            NotImplementedError: Always; ask for a `sample`.
        """
        raise NotImplementedError("augmented scans are made by their number: use sample(k).")

    @cached_property
    def _graph(self) -> Any:
        import tensorflow as tf

        from synthseg_generator.graph.noise import draw_voxel_noise
        from synthseg_generator.scans.augmenter import ScanAugmenter

        source = self.source
        augmenter = ScanAugmenter(
            source.settings, source.store.labels, source.map_shape, self.voxel_size_mm
        )

        @tf.function
        def augment(scan: Any, labels: Any, row: Any) -> Any:
            noise = draw_voxel_noise(row["noise_seed"], augmenter.noise_shape)
            return augmenter.augment(scan, labels, row, noise, np.zeros(3, np.int32))

        return augment


def choose_generator(source: SampleSource) -> BrainGenerator:
    """What makes the samples of a source, synthetic or of scans."""
    kind = ScanGenerator if isinstance(source, ScanSampleSource) else BrainGenerator
    return kind.from_source(source)
