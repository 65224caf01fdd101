"""Intensity priors from scans and their labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from generator_fixtures import WriteMap
from numpy.typing import NDArray
from synthseg_common.labels import CONTRAST_SPECIFIC_CLASSES, GENERATION_V1, GenerationLabels
from synthseg_generator.errors import LabelError
from synthseg_generator.priors import (
    Mad,
    PriorSettings,
    estimate_priors,
    find_pairs,
    find_tissue_classes,
    measure_classes,
    read_pair,
    rescale,
    save_priors,
)
from synthseg_generator.settings.generator import GeneratorSettings, generator_settings

Recorded = tuple[list[tuple[Path, Path]], Mapping[str, NDArray[Any]]]

TWO_CLASSES = PriorSettings(values=(0, 2), classes=(0, 1), rescale=False)


def save(path: Path, volume: NDArray[Any], affine: NDArray[np.float64] | None = None) -> Path:
    nib.save(nib.Nifti1Image(volume, np.eye(4) if affine is None else affine), path)
    return path


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Recorded:
    folder = shared_data / "reference" / "priors"
    pairs = find_pairs(folder / "im", folder / "lab")
    return pairs, np.load(folder / "priors.npz")


@pytest.mark.parametrize(
    ("suffix", "by_class", "scaled"),
    [("labels", False, True), ("classes", True, True), ("norescale", True, False)],
)
def test_priors_equal_those_of_the_original(
    recorded: Recorded, suffix: str, by_class: bool, scaled: bool
) -> None:
    pairs, expected = recorded
    values = tuple(expected["labels"].tolist())
    classes = tuple(expected["classes"].tolist()) if by_class else tuple(range(len(values)))
    settings = PriorSettings(values=values, classes=classes, rescale=scaled)
    scans, label_maps = zip(*pairs, strict=True)
    priors = estimate_priors(scans, label_maps, settings)
    np.testing.assert_allclose(priors.means[0], expected[f"means_{suffix}"], rtol=1e-12)
    np.testing.assert_allclose(priors.stds[0], expected[f"stds_{suffix}"], rtol=1e-12)


def test_one_scan_equals_the_original(recorded: Recorded) -> None:
    pairs, expected = recorded
    image, labels = read_pair(*pairs[0])
    settings = PriorSettings(
        values=tuple(expected["labels"].tolist()),
        classes=tuple(expected["classes"].tolist()),
        rescale=False,
    )
    statistics = measure_classes(image[..., 0], labels, settings)
    np.testing.assert_allclose(statistics, expected["single_image_stats"], rtol=1e-12)
    np.testing.assert_allclose(rescale(image[..., 0]), expected["single_image_rescaled"])


def test_median_and_deviation_worked_out_by_hand() -> None:
    labels = np.full((1, 1, 5), 2)
    image = np.array([1.0, 2.0, 3.0, 5.0, 9.0]).reshape(labels.shape)
    statistics = measure_classes(image, labels, TWO_CLASSES)
    np.testing.assert_allclose(statistics, [[0.0, 3.0], [0.0, 2 * 1.4826]])  # nothing of class 0


def test_the_raw_convention_is_smaller_by_its_factor() -> None:
    labels = np.full((1, 1, 5), 2)
    image = np.array([1.0, 2.0, 3.0, 5.0, 9.0]).reshape(labels.shape)
    raw = PriorSettings(values=(0, 2), classes=(0, 1), rescale=False, mad=Mad.RAW)
    assert measure_classes(image, labels, raw)[1, 1] == 2


def test_the_gaussian_convention_estimates_the_deviation_of_a_gaussian() -> None:
    image = np.random.default_rng(0).normal(100, 7, (40, 40, 40))
    mean, deviation = measure_classes(image, np.full(image.shape, 2), TWO_CLASSES)[:, 1]
    assert mean == pytest.approx(100, abs=0.2)
    assert deviation == pytest.approx(7, rel=0.03)


def test_zeros_count_in_the_background_alone() -> None:
    labels = np.array([0, 0, 2, 2, 2]).reshape(1, 1, 5)
    image = np.array([0.0, 0.0, 0.0, 4.0, 4.0]).reshape(labels.shape)
    assert measure_classes(image, labels, TWO_CLASSES)[0].tolist() == [0, 4]


def test_every_channel_gets_its_own_prior(tmp_path: Path) -> None:
    labels = np.full((4, 4, 4), 2, np.uint8)
    scan = np.stack([np.full(labels.shape, 10.0), np.full(labels.shape, 20.0)], axis=-1)
    priors = estimate_priors(
        [save(tmp_path / "s.nii", scan)], [save(tmp_path / "l.nii", labels)], TWO_CLASSES
    )
    assert priors.means[:, 0, 1].tolist() == [10, 20]


def test_a_scan_stored_in_another_order_is_aligned_to_its_labels(
    tmp_path: Path, write_map: WriteMap
) -> None:
    labels = np.zeros((4, 5, 6), np.int16)
    labels[0] = 2
    scan = write_map(tmp_path / "scan.nii", (labels * 50).astype(np.int16), "LIA")
    label_map = write_map(tmp_path / "labels.nii", labels, "PSR")
    assert estimate_priors([scan], [label_map], TWO_CLASSES).means[0, 0].tolist() == [0, 100]


def test_different_grids_are_refused(tmp_path: Path) -> None:
    labels = save(tmp_path / "l.nii", np.zeros((4, 4, 4), np.uint8))
    moved = np.eye(4)
    moved[0, 3] = 5
    for name, scan, affine in (
        ("size.nii", np.zeros((4, 4, 5), np.uint8), np.eye(4)),
        ("place.nii", np.zeros((4, 4, 4), np.uint8), moved),
    ):
        with pytest.raises(LabelError, match=rf"{name} and .*l\.nii lie on different grids"):
            read_pair(save(tmp_path / name, scan, affine), labels)


def test_all_pairs_that_do_not_fit_are_told_at_once(tmp_path: Path) -> None:
    labels = save(tmp_path / "l.nii", np.full((4, 4, 4), 2, np.uint8))
    good = [save(tmp_path / f"good_{i}.nii", np.full((4, 4, 4), 9.0)) for i in range(5)]
    odd = {
        "channels.nii": (np.ones((4, 4, 4, 2)), "has 2 channels, expected 1 as most"),
        "size.nii": (np.ones((4, 4, 5)), "lie on different grids"),
        "nothing.nii": (np.full((4, 4, 4), np.nan), "holds no finite voxel"),
        "infinite.nii": (np.full((4, 4, 4), np.inf), "holds"),
    }
    scans = [*(save(tmp_path / name, volume) for name, (volume, _) in odd.items()), *good]
    (tmp_path / "text.nii").write_text("hello")
    scans.append(tmp_path / "text.nii")
    with pytest.raises(LabelError) as caught:
        estimate_priors(scans, [labels] * len(scans), TWO_CLASSES)
    title, *lines = str(caught.value).splitlines()
    assert title == "5 problems with the scans and label maps:"
    for name, reason in {**{n: r for n, (_, r) in odd.items()}, "text.nii": "is text"}.items():
        (line,) = (line for line in lines if line.startswith(f"  {tmp_path / name}"))
        assert reason in line


@pytest.mark.parametrize("rescaled", [True, False])
def test_a_scan_of_infinite_tissue_is_refused_and_lost_voxels_are_not_counted(
    tmp_path: Path, rescaled: bool
) -> None:
    settings = PriorSettings(values=(0, 2), classes=(0, 1), rescale=rescaled)
    labels = save(tmp_path / "l.nii", np.full((4, 4, 4), 2, np.uint8))
    scan = np.full((4, 4, 4), 50.0)
    scan[0], scan[1:3] = 20.0, np.nan
    lost = save(tmp_path / "lost.nii", scan)
    assert np.isfinite(estimate_priors([lost], [labels], settings).means).all()
    scan[1:] = np.inf
    with pytest.raises(LabelError, match=r"infinite\.nii holds so many infinite voxels"):
        estimate_priors([save(tmp_path / "infinite.nii", scan)], [labels], settings)


def test_of_two_scans_neither_is_blamed_for_its_channels(tmp_path: Path) -> None:
    labels = save(tmp_path / "l.nii", np.full((4, 4, 4), 2, np.uint8))
    one = save(tmp_path / "one.nii", np.ones((4, 4, 4, 2)))
    two = save(tmp_path / "two.nii", np.ones((4, 4, 4)))
    with pytest.raises(LabelError, match=r"2 in one\.nii; 1 in two\.nii"):
        estimate_priors([one, two], [labels, labels], TWO_CLASSES)


def test_unequal_numbers_of_files_are_refused(tmp_path: Path) -> None:
    for folder, count in (("scans", 2), ("maps", 1)):
        (tmp_path / folder).mkdir()
        for i in range(count):
            save(tmp_path / folder / f"{i}.nii", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(LabelError, match=r"scans holds 2 scans, .*maps 1 label maps"):
        find_pairs(tmp_path / "scans", tmp_path / "maps")


def test_saved_priors_are_settings_of_the_generator(tmp_path: Path) -> None:
    labels = np.full((4, 4, 4), 2, np.uint8)
    labels[0] = 0
    scan = save(tmp_path / "s.nii", np.where(labels == 2, 90.0, 0.0))
    priors = estimate_priors([scan], [save(tmp_path / "l.nii", labels)], TWO_CLASSES)
    mixture, means, _ = save_priors(priors, tmp_path / "out")
    settings = generator_settings(yaml.safe_load(mixture.read_text()))
    assert (settings.mixture.specific_means, settings.mixture.specific_stds) == priors.to_priors()
    assert settings.crop == GeneratorSettings().crop
    assert np.load(means).shape == (2, 2)


def test_tissue_classes_are_those_of_the_original() -> None:
    assert find_tissue_classes(GENERATION_V1) == CONTRAST_SPECIFIC_CLASSES
    with pytest.raises(LabelError, match="released label table"):
        find_tissue_classes(GenerationLabels((0, 1), 2, (0, 1), (0, 1)))
