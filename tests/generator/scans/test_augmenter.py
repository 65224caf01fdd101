"""Augmented scans: the labels move with the image, and sample k is the same whoever asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled import in_every_way
from numpy.typing import NDArray
from scan_pairs import PLAIN, SILENT
from synthseg_generator.graph.noise import draw_voxel_noise
from synthseg_generator.scans.augmenter import ScanAugmenter
from synthseg_generator.scans.samples import ScanSampleSource
from synthseg_generator.settings.generator import Uniform, generator_settings
from synthseg_generator.settings.scans import ScanNoise
from synthseg_generator.store.label_store import LabelStore


def make(
    store: LabelStore, settings: dict[str, Any], k: int, noise: ScanNoise = SILENT, seed: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.int64], bool]:
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


@pytest.mark.parametrize("distance", [-2.0, 2.0])
def test_scan_and_labels_grow_alike(scan_store: LabelStore, distance: float) -> None:
    grown = [{"labels": [2, 41], "probability": 1, "distance_mm": [distance] * 2, "reach_mm": 3}]
    still = {**PLAIN, "affine": {"rotation_deg": 0}, "elastic": {"strength": 0}}
    _, before, _ = make(scan_store, still, 0)
    image, labels, _ = make(scan_store, {**still, "growth": grown}, 0)
    sizes = [np.isin(found, (2, 41)).sum() for found in (before, labels)]
    assert sizes[1] * np.sign(distance) > 1.1 ** np.sign(distance) * sizes[0] * np.sign(distance)
    there, shown = np.isin(labels, (2, 41)), image > 0.25
    assert 2 * (there & shown).sum() / (there.sum() + shown.sum()) > 0.9


def test_beyond_the_field_of_view_scan_and_labels_are_0(scan_store: LabelStore) -> None:
    whole, cut = (
        make(scan_store, {**PLAIN, "field_of_view": {"probability": p, "fraction": [0.5, 0.5]}}, 0)
        for p in (0, 1)
    )
    seen = cut[0] > 0
    assert 0.1 < seen.mean() < 0.6
    np.testing.assert_array_equal(cut[0][seen], whole[0][seen])
    lost = (whole[1] != 0) & (cut[1] == 0)
    assert lost.any()
    assert not cut[0][lost].any()


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
    assert (image.dtype, image.shape) == (np.dtype(np.float32), (24, 24, 24))
    assert -1e-6 <= image.min() < image.max() <= 1 + 1e-6
