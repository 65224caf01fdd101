"""Contact sheets."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from synthseg_generator.brain_generator import BrainGenerator
from synthseg_generator.errors import StoreError
from synthseg_generator.pictures.preview import preview
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore


@pytest.fixture(scope="module")
def generator(store: LabelStore, small_settings: GeneratorSettings) -> BrainGenerator:
    return BrainGenerator(store, small_settings, seed=1)


def test_the_same_seed_draws_the_same_picture(
    tmp_path: Path, generator: BrainGenerator, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    preview(generator, tmp_path / "one.png", n_samples=2)
    preview(BrainGenerator(store, small_settings, seed=1), tmp_path / "two.png", n_samples=2)
    preview(BrainGenerator(store, small_settings, seed=2), tmp_path / "other.png", n_samples=2)
    one, two, other = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "two", "other"))
    assert one == two
    assert one != other


def test_every_sample_has_a_row_of_images_and_colours(
    tmp_path: Path, generator: BrainGenerator
) -> None:
    preview(generator, tmp_path / "one.png", n_samples=1)
    preview(generator, tmp_path / "three.png", n_samples=3)
    one, three = (matplotlib.image.imread(tmp_path / f"{n}.png") for n in ("one", "three"))
    assert one.shape[1] == three.shape[1]
    assert three.shape[0] > 2.5 * one.shape[0]
    red, green, blue = np.moveaxis(three[..., :3], -1, 0)
    assert np.any((red != green) | (green != blue))


def test_an_unknown_format_is_refused_and_leaves_nothing(
    tmp_path: Path, generator: BrainGenerator
) -> None:
    with pytest.raises(StoreError, match=r"sheet\.xyz cannot be written"):
        preview(generator, tmp_path / "sheet.xyz", n_samples=1)
    assert list(tmp_path.iterdir()) == []
