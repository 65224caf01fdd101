"""From a label store to what the graph needs for sample k, in this process.

Importing this module loads no TensorFlow; `make_sample_dataset` imports it when called.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from synthseg_common.arrays import Number
from synthseg_common.labels import GenerationLabels

from synthseg_generator.arrays import LabelIds
from synthseg_generator.draws.box import Box, find_needed_box
from synthseg_generator.draws.crop import find_least_map_shape, measure_crop
from synthseg_generator.draws.growth import measure_growth_reach
from synthseg_generator.draws.intensity import check_priors
from synthseg_generator.draws.sample_parameters import (
    SampleParameters,
    check_anatomy,
    draw_sample,
)
from synthseg_generator.errors import ConfigError
from synthseg_generator.feed.element_errors import remember_errors
from synthseg_generator.feed.map_cache import PROCESS_CACHE, MapCache
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.files import dump_settings
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore, find_cubic_voxel_size_mm, open_store

if TYPE_CHECKING:
    import tensorflow as tf


class SampleSource:
    """Samples of a store: a pure function of (settings, seed, k).

    Maps of different shapes are surrounded with background to one common shape, so that one graph
    serves all.

    Memory: unless another cache is given, the sources of a process share `PROCESS_CACHE`, which
    holds 1 GiB at most until `bound_cache` says otherwise.

    Args:
        store: The label maps.
        settings: The generative model.
        seed: Names the stream of samples.
        cache: Where maps are kept; by default the cache of the process.

    Attributes:
        n_samples: How many samples there are; `None` for no end.
    """

    n_samples: int | None = None

    def __init__(
        self,
        store: LabelStore,
        settings: GeneratorSettings,
        seed: int,
        cache: MapCache = PROCESS_CACHE,
    ) -> None:
        self.store = store
        self.settings = settings
        self.seed = seed
        self._cache = cache

    @cached_property
    def map_shape(self) -> tuple[int, int, int]:
        """Common shape of the maps, never smaller than the crop."""
        least = find_least_map_shape(self.settings.crop, find_cubic_voxel_size_mm(self.store))
        shapes = np.array([*self.store.shapes, least])
        x, y, z = (int(side) for side in shapes.max(axis=0))
        return (x, y, z)

    @cached_property
    def geometries(self) -> tuple[MapGeometry, ...]:
        """What a draw needs to know of the maps, after padding.

        Raises:
            ConfigError: The voxels are not cubes, or a weighted map is not in the store.
        """
        pairs = zip(self.store.geometries, self._weights(), strict=True)
        return tuple(self._padded_geometry(geometry, weight) for geometry, weight in pairs)

    @cached_property
    def labels(self) -> GenerationLabels:
        """Labels of the store, with what the settings put in their place.

        Raises:
            ConfigError: The settings contradict the store.
        """
        return self.settings.labels.apply(self.store.labels)

    @cached_property
    def crop_region(self) -> tuple[int, int, int]:
        """Voxels of the map that a sample shows."""
        voxel_size_mm = find_cubic_voxel_size_mm(self.store)
        return measure_crop(self.settings.crop, self.map_shape, voxel_size_mm).region

    def check(self) -> None:
        """Sees that the settings fit the store, whatever a sample draws.

        Raises:
            ConfigError: They do not.
        """
        check_priors(self.settings.mixture, self.labels.n_classes)
        check_anatomy(self.settings, self.labels)
        _ = self.geometries, self.crop_region

    def parameters(self, k: int) -> SampleParameters:
        """Draws sample `k`."""
        return draw_sample(self.settings, self.store.labels, self.geometries, self.seed, k)

    def needed_box(self, parameters: SampleParameters) -> Box:
        """The box of its map that a sample can look at."""
        growth_mm = parameters.growth_mm
        if growth_mm is None:
            return find_needed_box(parameters, self.crop_region)
        voxel_size_mm = find_cubic_voxel_size_mm(self.store)
        reach = measure_growth_reach(self.settings.growth, growth_mm, voxel_size_mm)
        return find_needed_box(parameters, self.crop_region, reach)

    def identify(self) -> dict[str, Any]:
        """What the samples are, as JSON holds it: equal answers, equal samples."""
        return {
            "seed": self.seed,
            "settings": dump_settings(self.settings),
            "store_fingerprint": self.store.fingerprint,
            "plan": None,
            "scans": None,
        }

    def bound_cache(self, max_bytes: int) -> None:
        """Says in how much memory maps are kept."""
        self._cache.max_bytes = max_bytes

    def label_map(self, index: int) -> LabelIds:
        """One padded map, out of the cache or into it; see `read_map`. It is read-only."""
        key = (self.store.path, self.store.maps[index].sha256, self.map_shape)
        return self._cache.get(key, lambda: self.read_map(index))

    def read_map(self, index: int) -> LabelIds:
        """Reads one padded map: unsigned integers `[x, y, z]`, indices into the label table."""
        return self.padded(self.store.load(index), self.store.labels.values.index(0))

    def padded(self, volume: NDArray[Number], fill: int) -> NDArray[Number]:
        """A volume `[x, y, z, ...]` surrounded to the common shape.

        Raises:
            ConfigError: Memory does not suffice.
        """
        shape = volume.shape[:3]
        before = self.padding(shape)
        after = [n - b - side for n, b, side in zip(self.map_shape, before, shape, strict=True)]
        widths = [*zip(before, after, strict=True), *[(0, 0)] * (volume.ndim - 3)]
        try:
            return np.pad(volume, widths, constant_values=fill)
        except MemoryError as error:
            crop = self.settings.crop.shape
            raise ConfigError(
                f"crop.shape {crop} needs maps of {'x'.join(map(str, self.map_shape))} voxels, "
                "more memory than there is."
            ) from error

    def __getstate__(self) -> dict[str, object]:
        """Sent to another process it is small: each reads the maps that it needs."""
        return {name: value for name, value in self.__dict__.items() if name != "_cache"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Arrived in another process it shares that one's cache."""
        self.__dict__.update(state, _cache=PROCESS_CACHE)

    def padding(self, shape: tuple[int, ...]) -> list[int]:
        """Planes of background put before a map of this shape, along x, y, z."""
        return [(n - side) // 2 for n, side in zip(self.map_shape, shape, strict=True)]

    def _weights(self) -> list[float]:
        weights = dict(self.settings.map_weights)
        unknown = sorted(set(weights) - set(self.store.names))
        # This may be a part of the store: maps of the rest may have weights too.
        if unknown and (missing := sorted(set(unknown) - set(open_store(self.store.path).names))):
            raise ConfigError(f"map_weights: {self.store.path} has no map {missing[0]}.")
        return [weights.get(name, 1.0) for name in self.store.names]

    def _padded_geometry(self, geometry: MapGeometry, weight: float) -> MapGeometry:
        centre = None
        if geometry.centre is not None:
            shifts = self.padding(geometry.shape)
            x, y, z = (c + b for c, b in zip(geometry.centre, shifts, strict=True))
            centre = (x, y, z)
        return MapGeometry(self.map_shape, centre, find_cubic_voxel_size_mm(self.store), weight)


@dataclass(frozen=True)
class Shard:
    """Which samples a reader takes, so that several readers share a stream.

    Attributes:
        first: Number of the first sample.
        stride: Distance between the blocks of this reader.
        block: Consecutive samples in a block.
        count: How many samples in all; `None` for no end.
    """

    first: int = 0
    stride: int = 1
    block: int = 1
    count: int | None = None

    def __iter__(self) -> Iterator[int]:
        numbers = itertools.count() if self.count is None else range(self.count)
        for n in numbers:
            yield self.first + n // self.block * self.stride + n % self.block


def make_sample_dataset(source: SampleSource, shard: Shard) -> tf.data.Dataset:
    """The samples as a `tf.data.Dataset`, one element each, in the order of the shard.

    Returns:
        Elements `{"k": int64, "labels": uint8 or uint16 [x, y, z], "row":
        SampleParameters.to_row()}`.
    """
    import tensorflow as tf

    def elements() -> Iterator[dict[str, Any]]:
        for k in shard:
            parameters = source.parameters(k)
            yield {
                "k": k,
                "labels": source.label_map(int(parameters.map_index)),
                "row": parameters.to_row(),
            }

    return tf.data.Dataset.from_generator(
        remember_errors(elements), output_signature=describe_element(source)
    )


def describe_element(source: SampleSource) -> dict[str, Any]:
    """Shapes and dtypes of one element of a dataset of samples."""
    import tensorflow as tf

    row = source.parameters(0).to_row()
    return {
        "k": tf.TensorSpec((), tf.int64),
        "labels": tf.TensorSpec(source.map_shape, source.store.table.id_dtype),
        "row": {
            name: tf.TensorSpec(np.shape(value), np.asarray(value).dtype)
            for name, value in row.items()
        },
    }
