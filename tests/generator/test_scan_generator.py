"""Augmented scans outside a training: pictures and files, from Python and by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from loading import load_nifti
from synthseg_generator.cli import main
from synthseg_generator.scan_generator import ScanGenerator, choose_generator
from synthseg_generator.scans.samples import ScanSampleSource
from synthseg_generator.settings.generator import generator_settings
from synthseg_generator.settings.scans import ScanNoise
from synthseg_generator.store.label_store import LabelStore

WriteSettings = Callable[..., Path]

SETTINGS = {"crop": {"shape": [24, 24, 24]}, "gamma_std": 0.4}


@pytest.fixture
def settings_file(tmp_path: Path) -> WriteSettings:
    """A training's file, with or without noise of its own."""

    def write(noise: dict[str, Any] | None = None) -> Path:
        path = tmp_path / "train.yaml"
        supervised = {"enabled": True} | ({} if noise is None else {"noise": noise})
        path.write_text(json.dumps({"generator": SETTINGS, "supervised": supervised}))
        return path

    return write


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_sample_is_the_same_whenever_it_is_asked_for(scan_store: LabelStore) -> None:
    source = ScanSampleSource(scan_store, generator_settings(SETTINGS), ScanNoise(), 1)
    generator = choose_generator(source)
    assert isinstance(generator, ScanGenerator)
    first, _, again = (generator.sample(k) for k in (2, 3, 2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.image.shape == (24, 24, 24, 1)
    assert 0.5 < np.ptp(first.image) <= 1 + 1e-6
    assert set(np.unique(first.labels)) <= set(scan_store.labels.targets)


def test_files_of_augmented_scans_have_the_noise_of_the_training(
    tmp_path: Path, scan_store: LabelStore, settings_file: WriteSettings
) -> None:
    images = {}
    for name, noise in (("quiet", {"probability": 0}), ("loud", {"std": [20, 20]})):
        folder = tmp_path / name
        options = ("--scans", "--settings", settings_file(noise), "--samples", 1, "--first", 4)
        result = run("generate", scan_store.path, folder, *options)
        assert result.exit_code == 0, result.output
        images[name] = load_nifti(folder / "sample-00004_image.nii.gz").get_fdata()
        labels = load_nifti(folder / "sample-00004_labels.nii.gz")
        assert set(np.unique(labels.dataobj)) <= set(scan_store.labels.targets)
    dark = images["quiet"] < 0.01
    assert np.std(images["loud"][dark]) > 2 * np.std(images["quiet"][dark])
    result = run("generate", scan_store.path, folder, "--scans", "--samples", 1)
    assert result.exit_code == 2
    assert "holds samples with another" in result.output


def test_synthetic_scans_do_not_join_augmented_ones(
    tmp_path: Path, scan_store: LabelStore, settings_file: WriteSettings
) -> None:
    options = ("--settings", settings_file(), "--samples", 1)
    assert run("generate", scan_store.path, tmp_path / "s", *options).exit_code == 0
    result = run("generate", scan_store.path, tmp_path / "s", *options, "--scans")
    assert result.exit_code == 2
    assert "with another scans" in result.output


def test_a_folder_from_before_scans_were_known_is_gone_on_with(
    tmp_path: Path, scan_store: LabelStore, settings_file: WriteSettings
) -> None:
    options = ("--settings", settings_file(), "--samples", 1)
    assert run("generate", scan_store.path, tmp_path / "s", *options).exit_code == 0
    manifest = tmp_path / "s" / "generate.json"
    content = json.loads(manifest.read_text())
    del content["scans"]
    manifest.write_text(json.dumps(content))
    result = run("generate", scan_store.path, tmp_path / "s", *options)
    assert "0 samples made, 1 were there" in result.output


def test_a_preview_shows_augmented_scans(
    tmp_path: Path, scan_store: LabelStore, settings_file: WriteSettings
) -> None:
    options = ("--settings", settings_file(), "--samples", 1)
    pictures = []
    for name, more in (("synthetic.png", ()), ("scans.png", ("--scans",))):
        result = run("preview", scan_store.path, tmp_path / name, *options, *more)
        assert result.exit_code == 0, result.output
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(
    ("options", "named"),
    [(("--scans", "--stages"), "--stages"), (("--scans", "--plan", "p.zarr"), "--plan")],
)
def test_what_is_of_synthetic_scans_alone_is_refused(
    tmp_path: Path, scan_store: LabelStore, options: tuple[str, ...], named: str
) -> None:
    result = run("preview", scan_store.path, tmp_path / "p.png", *options)
    assert result.exit_code == 2
    assert f"{named} or --scans out" in result.output


def test_noise_that_cannot_be_is_named_with_its_file(
    tmp_path: Path, scan_store: LabelStore, settings_file: WriteSettings
) -> None:
    path = settings_file({"probability": 2})
    result = run("preview", scan_store.path, tmp_path / "p.png", "--scans", "--settings", path)
    assert result.exit_code == 2
    assert f"{path}: noise.probability must" in result.output


def test_a_store_without_scans_says_how_to_add_them(tmp_path: Path, store_path: Path) -> None:
    result = run("preview", store_path, tmp_path / "p.png", "--scans")
    assert result.exit_code == 2
    assert "add-scans" in result.output
