"""Augmented scans: the labels move with the image, and sample k is the same whoever asks."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from compiled import in_every_way
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.samples import Shard
from synthseg_generator.graph.noise import draw_voxel_noise
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.scans.augmenter import ScanAugmenter
from synthseg_generator.scans.samples import ScanSampleSource, make_scan_dataset
from synthseg_generator.scans.stored_scans import add_scans, load_scan
from synthseg_generator.settings.generator import Uniform, generator_settings
from synthseg_generator.settings.scans import ScanNoise
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import LabelStore, open_store

SILENT = ScanNoise(std=Uniform(0, 0))
PLAIN = {
    "crop": {"shape": [24, 24, 24], "placement": "centred", "jitter": 3},
    "bias_field": {"strength": [0, 0]},
    "gamma_std": 0,
    "acquisition": {"native_probability": 1},
}


def make(store, settings, k, noise=SILENT, seed=1):
    """Image `[x, y, z]` and label values of sample `k`, and whether it is flipped."""
    source = ScanSampleSource(store, generator_settings(settings), noise, seed)
    augmenter = ScanAugmenter(source.settings, store.labels, source.map_shape)
    element = source.element(k)
    row = element["row"]
    drawn = draw_voxel_noise(row["noise_seed"], augmenter.noise_shape)
    volumes = (element["scan"], element["labels"])
    image, target = augmenter.augment(*volumes, row, drawn, element["box_start"])
    values = np.array(sorted({0, *store.labels.targets}))
    return np.asarray(image)[..., 0], values[np.asarray(target)], bool(row["flip"])


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("k", [0, 1])
def test_the_labels_move_with_the_image(scan_store: LabelStore, k: int, flip: int) -> None:
    image, labels, flipped = make(scan_store, {**PLAIN, "flip_probability": flip}, k)
    assert flipped == bool(flip)
    # A mirrored scan shows at the left what was at the right, and it is called left.
    bright = 41 if flip else 2
    for there, shown in ((labels == bright, image > 0.7), (np.isin(labels, (2, 41)), image > 0.25)):
        assert there.sum() > 100
        assert 2 * (there & shown).sum() / (there.sum() + shown.sum()) > 0.9
    left, right = (np.argwhere(labels == value)[:, 0].mean() for value in (2, 41))
    assert left < right


def test_a_scan_of_one_brightness_is_augmented_however_that_is_compiled(
    scan_store: LabelStore,
) -> None:
    settings = generator_settings({"crop": PLAIN["crop"], "elastic": {"squarings": 1}})
    source = ScanSampleSource(scan_store, settings, SILENT, 1)
    augmenter = ScanAugmenter(source.settings, scan_store.labels, source.map_shape)
    element = source.element(0)
    row = {**element["row"], "log_bias": np.zeros_like(element["row"]["log_bias"])}
    scan, noise = np.full_like(element["scan"], 65535), np.zeros((24, 24, 24, 1), np.float32)
    parts = (scan, element["labels"], row, noise, np.asarray(element["box_start"]))
    for image, _ in in_every_way(augmenter.augment, *parts).values():
        # Within [0, 1]: how the weights of an interpolation are rounded is all that it may show.
        assert image.min() >= 0
        assert image.max() <= 1 + 1e-5


def test_the_same_sample_is_the_same_to_the_bit(scan_store: LabelStore) -> None:
    noisy = ScanNoise(std=Uniform(5, 6), probability=1)
    first, again, other = (
        make(scan_store, {"crop": {"shape": [24] * 3}}, k, noisy) for k in (3, 3, 4)
    )
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()
    assert (first[0] != make(scan_store, {"crop": {"shape": [24] * 3}}, 3, noisy, seed=2)[0]).any()


def test_scans_on_copies_of_one_label_map_are_told_apart(
    tmp_path: Path, make_head: Callable[..., np.ndarray]
) -> None:
    head = make_head((24, 24, 24)).astype(np.int16)
    for folder in ("maps", "scans"):
        (tmp_path / folder).mkdir()
    for name, contrast in (("sub_T1", 1), ("sub_T2", -1)):
        for folder, volume in (("maps", head), ("scans", contrast * head.astype(np.float32))):
            nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / folder / f"{name}.nii")
    ingest(tmp_path / "maps", tmp_path / "s.zarr", LABEL_TABLES["v2"])
    store = open_store(tmp_path / "s.zarr")
    add_scans(tmp_path / "scans", store)
    assert len({stored.sha256 for stored in store.maps}) == 1
    settings = generator_settings({"crop": {"shape": [24, 24, 24]}})
    source = ScanSampleSource(store, settings, SILENT, 0)
    for index, name in enumerate(store.names):
        np.testing.assert_array_equal(source.scan(index), load_scan(store, name))


def test_noise_has_the_drawn_deviation(scan_store: LabelStore) -> None:
    source = ScanSampleSource(scan_store, generator_settings(PLAIN), ScanNoise(probability=0.5), 1)
    drawn = np.array([source.draw_noise(k)[0] for k in range(400)])
    assert 0.4 < (drawn == 0).mean() < 0.6
    assert 0 <= drawn.min() < drawn.max() <= 6
    np.testing.assert_allclose(drawn[drawn > 0].mean(), 3, atol=0.4)
    quiet, loud = (
        make(scan_store, PLAIN, 0, ScanNoise(std=Uniform(s, s), probability=1))[0]
        for s in (0, 25.5)
    )
    # A tenth of the range, less what blurring and the wider range take.
    assert 0.02 < np.std(loud[quiet < 0.01]) < 0.1


def test_image_lies_between_zero_and_one_with_everything_on(scan_store: LabelStore) -> None:
    image, _, _ = make(scan_store, {"crop": {"shape": [24] * 3}, "gamma_std": 0.4}, 5, ScanNoise())
    assert (image.dtype, image.shape) == (np.float32, (24, 24, 24))
    assert -1e-6 <= image.min() < image.max() <= 1 + 1e-6


def test_a_dataset_gives_the_samples_of_its_shard(scan_store: LabelStore) -> None:
    source = ScanSampleSource(scan_store, generator_settings(PLAIN), ScanNoise(), 1)
    elements = list(make_scan_dataset(source, Shard(first=2, count=3)).as_numpy_iterator())
    assert [int(element["k"]) for element in elements] == [2, 3, 4]
    for element in elements:
        expected = source.element(int(element["k"]))
        np.testing.assert_array_equal(element["scan"], expected["scan"])
        np.testing.assert_array_equal(element["labels"], expected["labels"])
        for name, value in expected["row"].items():
            np.testing.assert_array_equal(element["row"][name], value, err_msg=name)


def test_maps_without_a_scan_and_other_channels_are_refused(
    scan_store: LabelStore, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match=r"n_channels is 2, but the scans of head_0, head_1 .* have 1"
    ):
        ScanSampleSource(scan_store, generator_settings({"n_channels": 2}), SILENT, 1)
    ingest(Path(scan_store.path).with_name("maps"), tmp_path / "bare.zarr", LABEL_TABLES["v2"])
    with pytest.raises(StoreError, match=r"no scan of head_0, head_1: add them with.*add-scans"):
        ScanSampleSource(open_store(tmp_path / "bare.zarr"), generator_settings({}), SILENT, 1)


@pytest.mark.parametrize("wrong", [{"std": Uniform(-1, 2)}, {"probability": 1.5}])
def test_impossible_noise_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"noise.{next(iter(wrong))} must"):
        ScanNoise(**wrong)
