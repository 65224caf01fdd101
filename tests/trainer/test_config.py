from dataclasses import replace
from pathlib import Path

import pytest
from synthseg_generator.config import Crop, GeneratorSettings
from synthseg_generator.errors import GeneratorError
from synthseg_generator.store import open_store
from synthseg_trainer.config import Stage, load_settings, recipe_names
from synthseg_trainer.errors import ConfigError

CROP = Crop(shape=(32, 32, 32))
ERRORS = (ConfigError, GeneratorError)


def _edited(run_config, tmp_path, old, new):
    text = run_config.read_text()
    assert old in text
    path = tmp_path / "edited.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_stages_inherit_the_generator_of_those_before_them(run_config):
    first, second = load_settings(run_config).stages
    assert first.generator.crop == second.generator.crop
    assert first.generator.gamma_std == 0.5
    assert second.generator.gamma_std == 0.2


def test_labels_of_the_network_are_those_of_the_store(run_config):
    assert load_settings(run_config).network.n_labels == 33


def test_position_in_the_run_names_stage_and_step(run_config):
    settings = load_settings(run_config)
    assert settings.total_steps == 5
    assert [settings.stage_at(step) for step in range(5)] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (1, 2),
    ]


def test_learning_rate_follows_a_cosine_to_its_end():
    stage = Stage(name="s", steps=3, learning_rate=1.0, final_learning_rate=0.5)
    assert [stage.learning_rate_at(step) for step in range(3)] == pytest.approx([1.0, 0.75, 0.5])


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("features: 4", "featurs: 4", "network.featurs"),
        ("jitter: 2", "jiter: 2", "crop.jiter"),
        ("loss: wl2", "loss: wl3", "wl3"),
        ("[32, 32, 32]", "[32, 32, 30]", "multiples of 4"),
        ("[32, 32, 32]", "null", "crop.multiple of a whole map, must be multiples of 4"),
        ("jitter: 2", "jitter: 2, multiple: 5", "crop.shape .* contradicts crop.multiple"),
        ("steps: 2, loss", "steps: 0, loss", "steps must be at least 1"),
        ("precision: float32", "precision: float8", "precision"),
        ("checkpoint_steps: 2", "checkpoint_step: 2", "checkpoint_step"),
        ("learning_rate: 0.01}", "learning_rate: fast}", "learning_rate"),
        ("stages:", "stages: 3\nx:", "stages|unknown setting x"),
    ],
)
def test_unfit_settings_are_refused_by_name(run_config, tmp_path, old, new, named):
    with pytest.raises(ERRORS, match=named):
        load_settings(_edited(run_config, tmp_path, old, new))


def test_whole_maps_fit_a_network_when_they_are_cut_to_its_multiple(run_config, tmp_path):
    settings = load_settings(_edited(run_config, tmp_path, "[32, 32, 32]", "null, multiple: 8"))
    assert settings.stages[0].generator.crop.shape is None


def test_targets_of_the_generator_are_the_labels_of_the_network(run_config, tmp_path, head_store):
    targets = [int(value in (2, 41)) for value in open_store(head_store).labels.values]
    text = f"  labels: {{targets: {targets}}}\n  elastic:"
    settings = load_settings(_edited(run_config, tmp_path, "  elastic:", text))
    assert settings.network.n_labels == 2
    stage = replace(settings.stages[1], generator=GeneratorSettings(crop=CROP))
    with pytest.raises(ConfigError, match=r"labels\.targets .* must be those of the first stage"):
        replace(settings, stages=(settings.stages[0], stage))


def test_missing_file_names_the_recipes():
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file.*laptop"):
        load_settings(Path("nowhere.yaml"))


def test_missing_store_is_named(tmp_path):
    with pytest.raises(GeneratorError, match=r"nothing\.zarr"):
        load_settings(Path("laptop"), store=str(tmp_path / "nothing.zarr"))


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_can_be_read(head_store, recipe):
    settings = load_settings(Path(recipe), store=str(head_store))
    assert settings.total_steps > 0
