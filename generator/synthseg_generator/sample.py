"""A sample, and what makes samples by their number. Importing this module loads no TensorFlow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from synthseg_generator.arrays import AffineMatrix, Floats, LabelValues
from synthseg_generator.draws.sample_parameters import SampleParameters
from synthseg_generator.feed.placement import locate_crop
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.store.label_store import find_cubic_voxel_size_mm

Source = TypeVar("Source", bound=SampleSource)


class Sample(NamedTuple):
    """One synthetic or augmented scan.

    Attributes:
        image: float32 `[x, y, z, channel]` in [0, 1], RAS.
        labels: int32 `[x, y, z]`, label values that a network shall answer.
    """

    image: Floats
    labels: LabelValues


class Samples(Protocol):
    """Samples by their numbers, drawn, planned or augmented, for pictures and files."""

    @property
    def n_samples(self) -> int | None:
        """How many there are; `None` for no end."""

    def parameters(self, k: int) -> SampleParameters:
        """What sample `k` is made with."""

    def map_name(self, k: int) -> str:
        """Name of the label map that sample `k` is made from."""

    def affine(self, k: int) -> AffineMatrix:
        """Where sample `k` lies: float64 `[4, 4]`, voxel indices to RAS mm."""

    def sample(self, k: int) -> Sample:
        """Makes sample `k`, the same whenever it is asked for."""


class SourcedSamples(ABC, Generic[Source]):
    """Samples of a source: its own word for all but how an image is made of one.

    Args:
        source: Which samples.
        first: Number of the sample that an iteration begins with.

    Raises:
        ConfigError: The store's voxels are not cubes.
    """

    def __init__(self, source: Source, first: int = 0) -> None:
        self.source = source
        self.voxel_size_mm = find_cubic_voxel_size_mm(source.store)
        self._next = first

    @abstractmethod
    def sample(self, k: int) -> Sample:
        """Makes sample `k`, the same whenever it is asked for."""

    def __iter__(self) -> Iterator[Sample]:
        while True:
            yield self.generate_brain()

    def generate_brain(self) -> Sample:
        """Makes the next sample."""
        sample = self.sample(self._next)
        self._next += 1
        return sample

    @property
    def n_samples(self) -> int | None:
        """How many there are; `None` for no end."""
        return self.source.n_samples

    def parameters(self, k: int) -> SampleParameters:
        """What sample `k` is made with.

        Raises:
            ConfigError: The settings do not fit the label maps.
            StoreError: The label map or the plan cannot be read.
        """
        return self.source.parameters(k)

    def map_name(self, k: int) -> str:
        """Name of the label map that sample `k` is made from."""
        return self.source.store.names[int(self.source.parameters(k).map_index)]

    def affine(self, k: int) -> AffineMatrix:
        """Where sample `k` lies: in the place of the map that it was cut from.

        Returns:
            float64 `[4, 4]`, voxel indices to RAS mm, as a NIfTI file takes it.

        Raises:
            ConfigError: The settings do not fit the label maps.
            StoreError: The label map cannot be read.
        """
        return locate_crop(self.source, self.source.parameters(k))
