import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from loading import load_nifti
from synthseg_common.arrays import FloatArray
from synthseg_generator.cli import main as generator_command
from synthseg_generator.feed.samples import SampleSource, Shard
from synthseg_generator.settings.generator import Crop, GeneratorSettings, cube
from synthseg_generator.store.label_store import open_store
from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.config import load_settings
from synthseg_trainer.errors import TrainerError
from synthseg_trainer.training.sources import BatchSource, SyntheticSource, SyntheticSources


@pytest.fixture(scope="module")
def sources(run_config: Path) -> SyntheticSources:
    return SyntheticSources(load_settings(run_config))


def _render(source: BatchSource, k: int) -> tuple[FloatArray, LabelArray]:
    """Image and target of one sample as the network sees them."""
    batch = next(iter(source.dataset(Shard(first=k, count=1)).batch(1)))
    image, target = source.render(batch)
    return image.numpy()[0], target.numpy()[0]


def test_held_out_maps_are_not_trained_on(sources: SyntheticSources) -> None:
    assert sources.training_maps.names == ("head_0", "head_1")
    held_out = sources.of_validation()
    assert isinstance(held_out, SyntheticSource)
    assert held_out.samples.store.names == ("head_2",)


def test_the_fingerprint_names_the_maps_that_are_trained_on(
    sources: SyntheticSources, head_store: Path
) -> None:
    assert sources.fingerprint != open_store(head_store).fingerprint


def test_a_run_without_maps_to_train_on_is_refused(run_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    text = run_config.read_text().replace("[head_2]", "[head_0, head_1, head_2]")
    path.write_text(text)
    with pytest.raises(TrainerError, match="none is left to train on"):
        SyntheticSources(load_settings(path))


def test_the_command_that_describes_a_sample_writes_it(
    sources: SyntheticSources, run_config: Path, tmp_path: Path
) -> None:
    """With the settings of its stage, and without the maps that are held out."""
    stage = load_settings(run_config).stages[1]
    source = sources.of_stage(stage)
    assert isinstance(source, SyntheticSource)
    k = 5
    sentence = source.describe(k, tmp_path)
    program, *arguments = shlex.split(sentence.split("`")[1])
    assert program == "synthseg-generator"
    result = CliRunner().invoke(generator_command, arguments)
    assert result.exit_code == 0, result.output
    (written,) = tmp_path.glob(f"*/sample-{k:05d}_image.nii.gz")
    image, target = _render(source, k)
    np.testing.assert_allclose(load_nifti(written).get_fdata(), image[..., 0], atol=1e-5)
    labels = load_nifti(str(written).replace("_image", "_labels"))
    values = np.array(sources.labels.values)
    np.testing.assert_array_equal(np.asarray(labels.dataobj), values[target])
    name = source.samples.store.names[int(source.samples.parameters(k).map_index)]
    assert f"made from map {name}" in sentence


def test_images_and_targets_have_the_voxels_that_the_settings_ask_for(head_store: Path) -> None:
    """Labels at 1 mm, samples of 2 mm."""
    settings = GeneratorSettings(crop=Crop(shape=(8, 8, 8), spacing_mm=cube(2.0)), n_channels=2)
    source = SyntheticSource(SampleSource(open_store(head_store), settings, seed=1))
    image, target = _render(source, 0)
    assert image.shape == (8, 8, 8, 2)
    assert target.shape == (8, 8, 8)
