"""Supervised training: scans and labels instead of synthetic scans, all else as always."""

import dataclasses
import itertools
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from loading import load_nifti
from scan_pairs import store_pairs
from synthseg_generator.cli import main as generator_command
from synthseg_generator.feed.samples import Shard
from synthseg_generator.settings.generator import Uniform
from synthseg_generator.settings.scans import ScanNoise
from synthseg_trainer.config import TrainSettings, load_settings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.runs.checkpoints import latest_checkpoint
from synthseg_trainer.training.feed import open_feed
from synthseg_trainer.training.loop import train
from synthseg_trainer.training.sources import SyntheticSources
from synthseg_trainer.training.state import Training
from synthseg_trainer.training.supervised import ScanSource, ScanSources, sources_of
from typed import there

RUN = """
supervised: {{enabled: {enabled}, noise: {{std: [0, 4]}}}}
network: {{stem: 2, features: 2, n_levels: 2, convs_per_level: 1, normalization: instance}}
generator:
  crop: {{shape: {crop}, placement: centred, jitter: 2}}
  elastic: {{squarings: 2}}
  bias_field: {{strength: [0, 0.3]}}
stages: [{{steps: 2, loss: dice_cross_entropy, learning_rate: 0.01}}]
validation: {{maps: [head_1], every_steps: 100, samples: 3}}
checkpoint_steps: 1
log_steps: 1
"""


@pytest.fixture(scope="module")
def pair_store(
    tmp_path_factory: pytest.TempPathFactory, make_head: Callable[..., np.ndarray]
) -> Path:
    """Two heads and a scan of each."""
    pairs = []
    for number, size in enumerate((1.0, 0.9)):
        labels = make_head((28, 30, 32), size=size)
        noise = np.random.default_rng(number).normal(0, 5, labels.shape)
        pairs.append((f"head_{number}", labels, labels % 50 * 10.0 + noise + 100))
    return Path(store_pairs(tmp_path_factory.mktemp("pairs"), pairs).path)


@pytest.fixture
def settings(tmp_path: Path, pair_store: Path) -> Callable[..., TrainSettings]:
    """A function that makes settings of a run."""

    def make(enabled: str = "true", crop: tuple[int, int, int] = (24, 24, 24)) -> TrainSettings:
        path = tmp_path / "run.yaml"
        path.write_text(RUN.format(enabled=enabled, crop=list(crop)))
        return load_settings(path, store=str(pair_store))

    return make


def test_settings_choose_what_a_run_learns_from(settings: Callable[..., TrainSettings]) -> None:
    assert isinstance(sources_of(settings()), ScanSources)
    assert isinstance(sources_of(settings(enabled="false")), SyntheticSources)
    assert settings().supervised.noise.std.high == 4


def test_a_run_learns_from_scans_and_goes_on_with_nothing_else(
    tmp_path: Path, settings: Callable[..., TrainSettings]
) -> None:
    assert train(settings(), tmp_path)
    checkpoint = there(latest_checkpoint(tmp_path))
    assert checkpoint.step == 2
    assert all(np.isfinite(value).all() for value in checkpoint.bundle.weights.values())
    with pytest.raises(CheckpointError, match=r"supervised\.enabled: True -> False"):
        train(settings(enabled="false"), tmp_path, resume=True)


@pytest.mark.slow
def test_an_interrupted_run_ends_where_the_whole_one_does(
    tmp_path: Path, settings: Callable[..., TrainSettings]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(settings(), whole)
    first = Path("checkpoints") / "step-00000001"
    shutil.copytree(whole / first, parts / first)
    assert train(settings(), parts, resume=True)
    ends = [there(latest_checkpoint(run)).bundle.weights for run in (whole, parts)]
    for name, value in ends[0].items():
        np.testing.assert_array_equal(value, ends[1][name], err_msg=name)


def test_batches_hold_augmented_scans_and_their_labels(
    settings: Callable[..., TrainSettings],
) -> None:
    sources = sources_of(settings())
    source = sources.of_stage(settings().stages[0])
    (batch,) = source.dataset(Shard(count=2)).padded_batch(2)
    images, targets = source.render(batch)
    assert images.shape == (2, 24, 24, 24, 1)
    assert targets.shape == (2, 24, 24, 24)
    assert 0 < np.ptp(images) <= 1 + 1e-6
    assert np.unique(targets).max() < len(sources.labels)
    held_out = sources.of_validation()
    assert isinstance(held_out, ScanSource)
    assert held_out.samples.store.names == ("head_1",)


def test_the_command_that_describes_a_sample_writes_it(
    tmp_path: Path, settings: Callable[..., TrainSettings]
) -> None:
    """With the noise of the run, and without the maps that are held out."""
    noise = ScanNoise(std=Uniform(9, 9))
    supervised = dataclasses.replace(settings().supervised, noise=noise)
    loud = dataclasses.replace(settings(), supervised=supervised)
    source = sources_of(loud).of_stage(loud.stages[0])
    sentence = source.describe(3, tmp_path)
    assert "made from the scan of head_0" in sentence
    program, *arguments = shlex.split(sentence.split("`")[1])
    assert program == "synthseg-generator"
    result = CliRunner().invoke(generator_command, arguments)
    assert result.exit_code == 0, result.output
    (written,) = tmp_path.glob("*/sample-00003_image.nii.gz")
    (batch,) = source.dataset(Shard(first=3, count=1)).batch(1)
    image, _ = source.render(batch)
    np.testing.assert_allclose(load_nifti(written).get_fdata(), image[0, ..., 0], atol=1e-5)


def test_boxes_of_all_sizes_share_a_graph(
    tmp_path: Path, settings: Callable[..., TrainSettings]
) -> None:
    small = settings(crop=(16, 16, 16))
    training = Training(small, tmp_path / "run")
    source = training.sources.of_stage(small.stages[0])
    assert isinstance(source, ScanSource)
    boxes = {source.samples.element(k)["labels"].shape for k in range(3)}
    assert len(boxes) == 3
    step = training.make_step(small.stages[0], source)
    assert all(step(batch).healthy for batch in itertools.islice(training.batches(source), 3))
    assert step._compiled.experimental_get_tracing_count() == 1
    assert np.isfinite(there(training.validate()).mean)
    assert there(training._scorer)._compiled.experimental_get_tracing_count() == 1


def test_padding_of_a_box_is_never_looked_at(settings: Callable[..., TrainSettings]) -> None:
    small = settings(crop=(16, 16, 16))
    source = sources_of(small).of_stage(small.stages[0])
    assert isinstance(source, ScanSource)
    (element,) = source.dataset(Shard(count=1))
    box = source.samples.element(0)["labels"].shape
    assert element["labels"].shape == source.samples.map_shape != box
    inside = tuple(slice(0, side) for side in box)
    cut = {name: element[name][inside] for name in ("labels", "scan")}
    whole, alone = (
        source.render(tf.nest.map_structure(lambda value: value[None], sample))
        for sample in (element, {**element, **cut})
    )
    for padded, expected in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(padded, expected)


@pytest.mark.slow
def test_dask_workers_prepare_the_same_samples(settings: Callable[..., TrainSettings]) -> None:
    shard = Shard(first=1, count=3)
    here = sources_of(settings()).of_stage(settings().stages[0])
    with open_feed(workers=1) as feed:
        there = sources_of(settings(), feed).of_stage(settings().stages[0])
        pairs = zip(here.dataset(shard), there.dataset(shard), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one["scan"], other["scan"])
            np.testing.assert_array_equal(one["labels"], other["labels"])
            np.testing.assert_array_equal(one["row"]["scan_noise"], other["row"]["scan_noise"])
