"""From a store's scans and label maps to what the graph needs for sample k, in this process.

Importing this module loads no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from synthseg_common.arrays import Float32Array

from synthseg_generator.arrays import ScanValues
from synthseg_generator.cluster.jobs import run_ordered
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.element_errors import remember_errors
from synthseg_generator.feed.samples import SampleSource, Shard
from synthseg_generator.feed.stream import StreamSettings
from synthseg_generator.problems import name_some
from synthseg_generator.scans.stored_scans import fingerprint_scans, list_scans, load_scan
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.settings.scans import ScanNoise
from synthseg_generator.store.label_store import LabelStore

if TYPE_CHECKING:
    import tensorflow as tf
    from distributed import Client

# Key of the stream that the noise is drawn from, beside that of the other parameters.
_NOISE = 2


class ScanSampleSource(SampleSource):
    """Samples of the scans of a store: a pure function of (settings, seed, k).

    Args:
        store: The label maps, each with a scan beside it.
        settings: The augmentation; `mixture` and `clip` mean nothing here.
        noise: Noise added to the scans.
        seed: Names the stream of samples.

    Raises:
        StoreError: A map has no scan.
        ConfigError: The scans have another number of channels than the settings say, or the
            settings have lesions or stripping, which are painted, not scanned.
    """

    def __init__(
        self, store: LabelStore, settings: GeneratorSettings, noise: ScanNoise, seed: int
    ) -> None:
        super().__init__(store, settings, seed)
        self.noise = noise
        _check_scans(store, settings)

    def identify(self) -> dict[str, Any]:
        """What the samples are, see `SampleSource.identify`: of which scans, with which noise."""
        std, probability = self.noise.std, self.noise.probability
        return {
            **super().identify(),
            "scans": {
                "fingerprint": fingerprint_scans(self.store),
                "noise": {"std": [std.low, std.high], "probability": probability},
            },
        }

    def element(self, k: int) -> dict[str, Any]:
        """All that the graph needs for sample `k`.

        Returns:
            `k`; `labels` unsigned integers `[x, y, z]` and `scan` uint16 `[x, y, z, channel]`, the
            box of both that the sample can look at; `box_start` int32 `[3]`, its first voxel;
            `row`, the parameters by name and `scan_noise`.
        """
        parameters = self.parameters(k)
        index = int(parameters.map_index)
        box = self.needed_box(parameters)
        return {
            "k": k,
            "labels": np.ascontiguousarray(self.label_map(index)[box.slices]),
            "scan": np.ascontiguousarray(self.scan(index)[box.slices]),
            "box_start": np.array(box.start, np.int32),
            "row": {**parameters.to_row(), "scan_noise": self.draw_noise(k)},
        }

    def draw_noise(self, k: int) -> Float32Array:
        """Draws the deviation of the noise of sample `k`: float32 `[channel]`, 0 for none."""
        key = np.random.SeedSequence([self.seed, k], spawn_key=(_NOISE,))
        rng = np.random.default_rng(key)
        channels = self.settings.n_channels
        present = rng.random(channels) < self.noise.probability
        std = rng.uniform(self.noise.std.low, self.noise.std.high, channels)
        return (std * present).astype(np.float32)

    def scan(self, index: int) -> ScanValues:
        """The scan of map `index`, padded as the map is: uint16 `[x, y, z, channel]`, read-only."""
        # By name: several scans of one patient may lie on copies of one label map.
        key = (self.store.path, self.store.names[index], self.map_shape, "scan")
        return self._cache.get(key, lambda: self._read_scan(index))

    def _read_scan(self, index: int) -> ScanValues:
        return self.padded(load_scan(self.store, self.store.names[index]), 0)


def make_scan_dataset(
    source: ScanSampleSource,
    shard: Shard,
    client: Client | None = None,
    settings: StreamSettings | None = None,
) -> tf.data.Dataset:
    """The samples as a `tf.data.Dataset`, one element each, in the order of the shard.

    Boxes differ in size: batch them with `padded_batch`; what it adds is never looked at.

    Args:
        source: Which samples.
        shard: Which of them.
        client: A `distributed.Client` whose workers prepare them; `None` for this process.
        settings: How the workers do.

    Returns:
        Elements as `ScanSampleSource.element` gives them.
    """
    import tensorflow as tf

    settings = settings or StreamSettings()

    def elements() -> Iterator[dict[str, Any]]:
        if client is None:
            return map(source.element, shard)
        jobs = ((k,) for k in shard)
        shared = (source, settings.cache_bytes)
        return run_ordered(client, _element, jobs, settings.window, shared, settings.wait_s)

    row = source.parameters(0).to_row()
    row["scan_noise"] = source.draw_noise(0)
    signature = {
        "k": tf.TensorSpec((), tf.int64),
        "labels": tf.TensorSpec((None, None, None), source.store.table.id_dtype),
        "scan": tf.TensorSpec((None, None, None, source.settings.n_channels), tf.uint16),
        "box_start": tf.TensorSpec((3,), tf.int32),
        "row": {
            name: tf.TensorSpec(np.shape(value), np.asarray(value).dtype)
            for name, value in row.items()
        },
    }
    return tf.data.Dataset.from_generator(remember_errors(elements), output_signature=signature)


def _element(source: ScanSampleSource, cache_bytes: int, k: int) -> dict[str, Any]:
    """One sample; runs in a worker."""
    source.bound_cache(cache_bytes)
    return source.element(k)


def _check_scans(store: LabelStore, settings: GeneratorSettings) -> None:
    for name in ("lesions", "stripping"):
        if getattr(settings, name).probability > 0:
            raise ConfigError(
                f"{name}.probability must be 0 where scans are augmented: {name} changes how "
                "labels are painted, and a scan shows what was scanned."
            )
    scans = list_scans(store)
    lacking = [name for name in store.names if name not in scans]
    if lacking:
        raise StoreError(
            f"{store.path}: no scan of {name_some(lacking, 3)}: add them with "
            "`synthseg-generator add-scans SCAN_DIR STORE.zarr`."
        )
    odd = [name for name in store.names if scans[name].channels != settings.n_channels]
    if odd:
        counts = sorted({scans[name].channels for name in odd})
        whose = f"the scan of {odd[0]}" if len(odd) == 1 else f"the scans of {name_some(odd)}"
        raise ConfigError(
            f"n_channels is {settings.n_channels}, but {whose} in {store.path} "
            f"{'has' if len(odd) == 1 else 'have'} {' or '.join(map(str, counts))}."
        )
