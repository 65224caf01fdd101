"""Synthetic scans as NIfTI files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from loading import load_nifti
from numpy.typing import NDArray
from synthseg_common.errors import OutputError
from synthseg_generator import sample_files
from synthseg_generator.brain_generator import BrainGenerator
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.plan_writing import write_plan
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.sample_files import generate, name_sample_files
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore


@pytest.fixture(scope="module")
def source(store: LabelStore, small_settings: GeneratorSettings) -> SampleSource:
    return SampleSource(store, small_settings, seed=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, source: SampleSource) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    generate(source, folder, 3)
    return folder


def volumes(folder: Path, n_samples: int) -> list[NDArray[Any]]:
    return [
        np.asanyarray(load_nifti(p).dataobj)
        for k in range(n_samples)
        for p in name_sample_files(folder, k)
    ]


def test_image_and_labels_lie_on_one_grid(made: Path, source: SampleSource) -> None:
    image, labels = (load_nifti(path) for path in name_sample_files(made, 1))
    assert image.shape == labels.shape == (16, 16, 16)
    assert image.get_data_dtype() == np.float32
    assert labels.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(image.affine, labels.affine)
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    sample = BrainGenerator.from_source(source).sample(1)
    np.testing.assert_array_equal(np.asanyarray(labels.dataobj), sample.labels)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), sample.image[..., 0])


def test_nothing_but_whole_files_is_there(made: Path) -> None:
    names = sorted(path.name for path in made.iterdir())
    samples = [p.name for k in range(3) for p in name_sample_files(made, k)]
    assert names == ["generate.json", *samples]


@pytest.mark.slow  # two processes that each import TensorFlow
def test_several_workers_make_the_same_samples(
    tmp_path: Path, made: Path, source: SampleSource
) -> None:
    generate(source, tmp_path / "parallel", 3, workers=2)
    for one, other in zip(volumes(made, 3), volumes(tmp_path / "parallel", 3), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_is_there_is_kept(
    tmp_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(source, tmp_path, 1)
    written: list[int] = []
    write = sample_files.write_sample

    def note(source: SampleSource, folder: str, k: int) -> None:
        written.append(k)
        write(source, folder, k)

    monkeypatch.setattr(sample_files, "write_sample", note)
    name_sample_files(tmp_path, 0)[1].unlink()  # half a sample does not count
    report = generate(source, tmp_path, 2)
    assert written == [0, 1]
    assert generate(source, tmp_path, 2).kept == (0, 1)
    assert report.kept == ()


def test_a_folder_of_other_samples_is_refused(
    made: Path, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    with pytest.raises(StoreError, match="holds samples with another seed"):
        generate(SampleSource(store, small_settings, seed=2), made, 3)


def test_a_plan_limits_the_number_of_samples(tmp_path: Path, source: SampleSource) -> None:
    plan = write_plan(source, 2, tmp_path / "plan.zarr")
    with pytest.raises(ConfigError, match="at most the 2 of the plan, got 3"):
        generate(plan, tmp_path / "out", 3)
    generate(plan, tmp_path / "out", 1)
    np.testing.assert_array_equal(
        volumes(tmp_path / "out", 1)[1], BrainGenerator.from_source(source).sample(0).labels
    )


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, source: SampleSource) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/generate\.json: cannot be written"):
        generate(source, tmp_path / "file", 1)


def test_a_folder_without_samples_takes_other_settings(
    tmp_path: Path, store: LabelStore, small_settings: GeneratorSettings, source: SampleSource
) -> None:
    """A call that fails before its first sample has written its manifest."""
    seed_2 = SampleSource(store, small_settings, seed=2)
    generate(seed_2, tmp_path, 1)
    for path in name_sample_files(tmp_path, 0):
        path.unlink()
    assert generate(source, tmp_path, 1).written == (0,)
    with pytest.raises(StoreError, match="holds samples with another seed"):
        generate(seed_2, tmp_path, 1)
