from dataclasses import replace
from pathlib import Path

import pytest
from synthseg_generator.errors import GeneratorError
from synthseg_generator.settings.files import load_settings as generator_settings
from synthseg_generator.settings.generator import Crop, GeneratorSettings
from synthseg_generator.store.label_store import open_store
from synthseg_trainer.config import (
    AdamSettings,
    NetworkSettings,
    TrainSettings,
    load_settings,
    recipe_names,
)
from synthseg_trainer.config.reader import recipe_path
from synthseg_trainer.errors import ConfigError
from synthseg_trainer.network.growth import can_grow
from typed import there

ERRORS = (ConfigError, GeneratorError)


def _read(tmp_path: Path, head_store: Path, text: str) -> TrainSettings:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return load_settings(path, store=str(head_store))


def _edited(run_config: Path, tmp_path: Path, old: str, new: str) -> Path:
    text = run_config.read_text()
    assert old in text
    path = tmp_path / "edited.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_stages_inherit_the_generator_of_those_before_them(run_config: Path) -> None:
    first, second = load_settings(run_config).stages
    assert first.generator.crop == second.generator.crop
    assert first.generator.gamma_std == 0.5
    assert second.generator.gamma_std == 0.2


def test_labels_of_the_network_are_those_of_the_store(run_config: Path) -> None:
    assert load_settings(run_config).network.n_labels == 33


@pytest.mark.parametrize("n_labels", [4, 34])
def test_labels_of_the_network_are_no_others_than_those_of_the_store(
    run_config: Path, tmp_path: Path, n_labels: int
) -> None:
    path = _edited(run_config, tmp_path, "stem: 2", f"stem: 2, n_labels: {n_labels}")
    with pytest.raises(ConfigError, match=rf"n_labels is {n_labels}, but .* has 33 labels"):
        load_settings(path)


def test_epochs_are_as_many_steps(tmp_path: Path, head_store: Path) -> None:
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
def test_a_stage_that_cannot_be_read_is_named(
    tmp_path: Path, head_store: Path, stage: str, named: str
) -> None:
    with pytest.raises(ERRORS, match=rf"stages\[0\].*{named}"):
        _read(tmp_path, head_store, f"stages: [{stage}]")


@pytest.mark.parametrize("network", ["", "5", "[1]"])
def test_a_network_that_is_no_group_is_named(
    tmp_path: Path, head_store: Path, network: str
) -> None:
    with pytest.raises(ERRORS, match="network must be a group of settings"):
        _read(tmp_path, head_store, f"network: {network}")


def test_groups_of_optimizer_and_weights_are_read(tmp_path: Path, head_store: Path) -> None:
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


def test_a_generative_model_may_be_named(tmp_path: Path, head_store: Path) -> None:
    text = 'generator: "2021"\nstages: [{steps: 1}, {steps: 1, generator: released}]'
    sizes = [there(s.generator.crop.shape)[0] for s in _read(tmp_path, head_store, text).stages]
    assert sizes == [96, 160]


@pytest.mark.parametrize("recipe", recipe_names())
def test_the_generator_reads_the_recipe_of_a_training(head_store: Path, recipe: str) -> None:
    """So that `synthseg-generator preview --settings` shows what its first stage trains on."""
    first = load_settings(Path(recipe), store=str(head_store)).stages[0]
    assert generator_settings(recipe_path(recipe)) == first.generator


def test_the_released_recipe_says_what_the_original_did(head_store: Path) -> None:
    settings = load_settings(Path("released"), store=str(head_store))
    assert settings.network == NetworkSettings(n_labels=settings.network.n_labels)
    warm_up, dice = settings.stages
    assert (warm_up.loss, warm_up.steps, warm_up.learning_rate) == ("wl2", 5000, 1e-4)
    assert (dice.loss, dice.steps, dice.learning_rate) == ("dice", 500_000, 1e-4)
    assert dice.fresh_optimizer
    assert settings.adam == AdamSettings()
    assert dice.generator == generator_settings("released")
    assert dice.generator.crop.shape == (160, 160, 160)


def test_a_folder_of_the_name_of_a_recipe_does_not_matter(
    tmp_path: Path, head_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(head_store.resolve())
    monkeypatch.chdir(tmp_path)
    Path("released").mkdir()
    assert load_settings(Path("released"), store=store).stages


def test_the_recipe_of_2021_has_its_values(head_store: Path) -> None:
    settings = load_settings(Path("2021"), store=str(head_store))
    assert settings.stages[0].weights.background == 1e-4
    assert settings.stages[1].generator == generator_settings("2021")
    assert settings.stages[1].generator.crop.shape == (96, 96, 96)


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
def test_unfit_settings_are_refused_by_name(
    run_config: Path, tmp_path: Path, old: str, new: str, named: str
) -> None:
    with pytest.raises(ERRORS, match=named):
        load_settings(_edited(run_config, tmp_path, old, new))


def test_all_settings_that_are_wrong_are_named_at_once(tmp_path: Path, head_store: Path) -> None:
    text = """
checkpoint_step: 2
seeds: 3
network: {featurs: 4}
generator: {crop: {jiter: 2}}
stages: [{steps: 1, loss: wl3}, {name: nothing}, {steps: 1, learning_rat: 1}]
validation: {samples: many}
"""
    with pytest.raises(ERRORS) as caught:
        _read(tmp_path, head_store, text)
    title, *lines = str(caught.value).splitlines()
    assert title == "7 settings are wrong:"
    for named in (
        "run.yaml: unknown settings checkpoint_step, seeds.",
        "network.featurs",
        "generator.crop.jiter",
        "wl3",
        "stages[1] needs `steps` or `epochs`",
        "stages[2].learning_rat",
        "validation.samples: expected a number, got 'many'",
    ):
        assert sum(named in line for line in lines) == 1, named


def test_whole_maps_fit_a_network_when_they_are_cut_to_its_multiple(
    run_config: Path, tmp_path: Path
) -> None:
    settings = load_settings(_edited(run_config, tmp_path, "[32, 32, 32]", "null, multiple: 8"))
    assert settings.stages[0].generator.crop.shape is None


def test_targets_of_the_generator_are_the_labels_of_the_network(
    run_config: Path, tmp_path: Path, head_store: Path
) -> None:
    targets = [int(value in (2, 41)) for value in open_store(head_store).labels.values]
    text = f"  labels: {{targets: {targets}}}\n  elastic:"
    settings = load_settings(_edited(run_config, tmp_path, "  elastic:", text))
    assert settings.network.n_labels == 2
    stage = replace(settings.stages[1], generator=GeneratorSettings(crop=Crop(shape=(32, 32, 32))))
    with pytest.raises(ConfigError, match=r"labels\.targets .* must be those of the first stage"):
        replace(settings, stages=(settings.stages[0], stage))


def test_missing_file_names_the_recipes() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file.*laptop"):
        load_settings(Path("nowhere.yaml"))


def test_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match=r"nothing\.zarr"):
        load_settings(Path("laptop"), store=str(tmp_path / "nothing.zarr"))


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_can_be_read(head_store: Path, recipe: str) -> None:
    settings = load_settings(Path(recipe), store=str(head_store))
    assert settings.total_steps > 0


ANATOMY = ("growth", "lesions", "stripping", "field_of_view")


def test_the_wide_recipe_goes_on_with_the_samples_of_the_narrow_one_then_with_more_anatomy(
    head_store: Path,
) -> None:
    narrow, wide = (
        load_settings(Path(n), store=str(head_store)) for n in ("laptop", "laptop_wide")
    )
    ended = narrow.stages[-1].generator
    as_before, more = (
        [stage.generator for stage in wide.stages if bool(stage.generator.growth) is grown]
        for grown in (False, True)
    )
    assert all(generator == ended for generator in as_before)
    off = {name: getattr(ended, name) for name in ANATOMY}
    assert all(replace(generator, **off) == ended for generator in more)
    assert [stage.generator for stage in wide.stages] == [*as_before, *more]
    assert can_grow(narrow.network, wide.network)
