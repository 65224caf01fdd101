from pathlib import Path

import pytest
from synthseg_generator.errors import GeneratorError
from synthseg_generator.settings_file import load_settings as generator_settings
from synthseg_trainer.config import AdamSettings, NetworkSettings, load_settings, recipe_names
from synthseg_trainer.config.reader import recipe_path
from synthseg_trainer.errors import ConfigError

ERRORS = (ConfigError, GeneratorError)


def _read(tmp_path, head_store, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return load_settings(path, store=str(head_store))


def test_epochs_are_as_many_steps(tmp_path, head_store):
    text = "steps_per_epoch: 10\nstages: [{epochs: 3}, {epochs: 2, steps_per_epoch: 7}, {steps: 5}]"
    assert [stage.steps for stage in _read(tmp_path, head_store, text).stages] == [30, 14, 5]


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ("{epochs: 2, steps: 2}", "needs `steps` or `epochs`, one of them"),
        ("{name: nothing}", "needs `steps` or `epochs`, one of them"),
        ("{epochs: 2}", "steps_per_epoch must be a whole number above 0, got None"),
        ("{epochs: 0.5, steps_per_epoch: 10}", "epochs must be a whole number above 0, got 0.5"),
        ("{steps: 1, weights: {clases: [1]}}", "weights.clases"),
        ("2", "must be a group of settings"),
    ],
)
def test_a_stage_that_cannot_be_read_is_named(tmp_path, head_store, stage, named):
    with pytest.raises(ERRORS, match=rf"stages\[0\].*{named}"):
        _read(tmp_path, head_store, f"stages: [{stage}]")


@pytest.mark.parametrize("network", ["", "5", "[1]"])
def test_a_network_that_is_no_group_is_named(tmp_path, head_store, network):
    with pytest.raises(ERRORS, match="network must be a group of settings"):
        _read(tmp_path, head_store, f"network: {network}")


def test_groups_of_optimizer_and_weights_are_read(tmp_path, head_store):
    text = (
        "adam: {clip_norm: 1, weight_decay: 0.01}\naverage_decay: 0.99\nkeep_checkpoints: null\n"
        "stages: [{steps: 1, weights: {boundary: 2, inverse_volume: true}}]"
    )
    settings = _read(tmp_path, head_store, text)
    assert settings.adam == AdamSettings(clip_norm=1.0, weight_decay=0.01)
    assert settings.stages[0].weights.boundary == 2
    assert settings.stages[0].weights.inverse_volume
    assert settings.average_decay == 0.99
    assert settings.keep_checkpoints is None


def test_a_generative_model_may_be_named(tmp_path, head_store):
    text = 'generator: "2021"\nstages: [{steps: 1}, {steps: 1, generator: released}]'
    sizes = [s.generator.crop.shape[0] for s in _read(tmp_path, head_store, text).stages]
    assert sizes == [96, 160]


@pytest.mark.parametrize("recipe", recipe_names())
def test_the_generator_reads_the_recipe_of_a_training(head_store, recipe):
    """So that `synthseg-generator preview --settings` shows what its first stage trains on."""
    first = load_settings(Path(recipe), store=str(head_store)).stages[0]
    assert generator_settings(recipe_path(recipe)) == first.generator


def test_the_released_recipe_says_what_the_original_did(head_store):
    settings = load_settings(Path("released"), store=str(head_store))
    assert settings.network == NetworkSettings(n_labels=settings.network.n_labels)
    warm_up, dice = settings.stages
    assert (warm_up.loss, warm_up.steps, warm_up.learning_rate) == ("wl2", 5000, 1e-4)
    assert (dice.loss, dice.steps, dice.learning_rate) == ("dice", 500_000, 1e-4)
    assert dice.fresh_optimizer
    assert settings.adam == AdamSettings()
    assert dice.generator == generator_settings("released")
    assert dice.generator.crop.shape == (160, 160, 160)


def test_a_folder_of_the_name_of_a_recipe_does_not_matter(tmp_path, head_store, monkeypatch):
    store = str(head_store.resolve())
    monkeypatch.chdir(tmp_path)
    Path("released").mkdir()
    assert load_settings(Path("released"), store=store).stages


def test_the_recipe_of_2021_has_its_values(head_store):
    settings = load_settings(Path("2021"), store=str(head_store))
    assert settings.stages[0].weights.background == 1e-4
    assert settings.stages[1].generator == generator_settings("2021")
    assert settings.stages[1].generator.crop.shape == (96, 96, 96)
