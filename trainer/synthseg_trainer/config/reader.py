"""Settings of a run from YAML or JSON files, and the recipes that ship with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from synthseg_common.labels import SegmentationLabels
from synthseg_generator.settings.files import load_settings as load_generator_settings
from synthseg_generator.settings.files import read_yaml
from synthseg_generator.settings.generator import (
    GeneratorSettings,
    generator_settings,
    read_settings,
)
from synthseg_generator.settings.labels import LabelSettings
from synthseg_generator.settings.reading import complained, raise_complaints

from synthseg_trainer.config.network import NetworkSettings
from synthseg_trainer.config.run import TrainSettings, Validation
from synthseg_trainer.config.stage import Stage
from synthseg_trainer.errors import ConfigError

_RECIPES = Path(__file__).parents[1] / "recipes"
# Groups of a file that `TrainSettings` does not have.
_FILE_ONLY = ("generator", "steps_per_epoch")


def load_settings(path: Path, *, store: str | None = None) -> TrainSettings:
    """Reads a run from a YAML or JSON file.

    The file holds the settings of `TrainSettings`, and two more. `generator` is what all stages
    start from; a stage's own `generator` changes it for this stage and those after it. Either may
    be the name of a recipe of `synthseg-generator`, or of a file, and then counts whole.
    `steps_per_epoch` lets stages say `epochs` instead of `steps`; a stage may have its own.
    `network.n_labels` follows from the store.

    Args:
        path: The file, or the name of a recipe that ships with the package.
        store: Label store, over that of the file.

    Raises:
        ConfigError: The file is missing, cannot be read, or holds unknown or unfit settings; the
            message names all of them.
        GeneratorError: The store cannot be opened.
    """
    values = read_yaml(_recipe_or_file(path))
    values["store"] = str(store or values.get("store") or "")
    if not values["store"]:
        raise ConfigError(f"{path} names no label store: add `store: STORE.zarr` or pass --store.")
    errors: list[ValueError] = []
    unknown = sorted(set(values) - {f.name for f in fields(TrainSettings)} - set(_FILE_ONLY))
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        errors.append(ConfigError(f"{path}: unknown setting{plural} {', '.join(unknown)}."))
    common = GeneratorSettings()
    stages: tuple[Stage, ...] = ()
    with complained(errors):
        common = _read_generator(values.pop("generator", {}), common)
    with complained(errors):
        stages = _read_stages(values.pop("stages", []), common, values.pop("steps_per_epoch", None))
    groups = _read_groups(values, common, stages, errors)
    raise_complaints(errors)
    base = TrainSettings(store=values["store"], stages=stages, **groups)
    return read_settings(base, values, str(path.name))


def _read_groups(
    values: dict[str, Any],
    common: GeneratorSettings,
    stages: tuple[Stage, ...],
    errors: list[ValueError],
) -> dict[str, Any]:
    """Network and validation, taken out of `values`; without those that have errors."""
    labels = stages[0].generator.labels if stages else common.labels
    last = stages[-1].generator if stages else common
    groups: dict[str, Any] = {}
    with complained(errors):
        groups["network"] = _read_network(values.pop("network", {}), values["store"], labels)
    with complained(errors):
        groups["validation"] = _read_validation(values.pop("validation", {}), last)
    return groups


def output_labels_of(store: str, labels: LabelSettings | None = None) -> SegmentationLabels:
    """Table of the channels of a network trained on this store.

    Args:
        store: The label store.
        labels: What the settings put in the place of the store's lists.

    Raises:
        GeneratorError: The store cannot be opened, or the settings contradict it.
    """
    from synthseg_generator.store.label_store import open_store

    return open_store(store).table.segmentation_labels(labels)


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(path.stem for path in _RECIPES.glob("*.yaml"))


def recipe_path(name: str) -> Path:
    """File of a recipe."""
    return _RECIPES / f"{name}.yaml"


def _recipe_or_file(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        return path
    recipe = recipe_path(str(path))
    if recipe.exists():
        return recipe
    known = ", ".join(recipe_names())
    raise ConfigError(f"{path}: no such file, nor a recipe; recipes are {known}.")


def _read_network(values: Any, store: str, labels: LabelSettings) -> NetworkSettings:
    """The network; the store says how many labels it answers, and a file nothing else."""
    n_labels = len(output_labels_of(store, labels))
    network = read_settings(NetworkSettings(n_labels=n_labels), values, "network")
    if network.n_labels != n_labels:
        raise ConfigError(
            f"network.n_labels is {network.n_labels}, but {store} has {n_labels} labels to answer, "
            "background included; leave n_labels out."
        )
    return network


def _read_stages(
    entries: Any, generator: GeneratorSettings, steps_per_epoch: Any
) -> tuple[Stage, ...]:
    if not isinstance(entries, list):
        raise ConfigError(f"stages must be a list, got {type(entries).__name__}.")
    stages: list[Stage] = []
    errors: list[ValueError] = []
    for number, entry in enumerate(entries):
        with complained(errors):
            stage = _read_stage(number, entry, generator, steps_per_epoch)
            stages.append(stage)
            generator = stage.generator
    raise_complaints(errors)
    return tuple(stages)


def _read_stage(
    number: int, entry: Any, generator: GeneratorSettings, steps_per_epoch: Any
) -> Stage:
    """One stage, over the generative model of those before it."""
    place = f"stages[{number}]"
    if not isinstance(entry, dict):
        raise ConfigError(f"{place} must be a group of settings, got {entry!r}.")
    values = _with_steps({"steps_per_epoch": steps_per_epoch, **entry}, place)
    generator = _read_generator(values.pop("generator", {}), generator)
    base = Stage(name=f"stage {number + 1}", steps=1, generator=generator)
    return read_settings(base, values, place)


def _read_generator(values: Any, base: GeneratorSettings) -> GeneratorSettings:
    if isinstance(values, str):
        return load_generator_settings(values)
    return generator_settings(values, base)


def _with_steps(entry: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A stage that says `steps`, also if the file says `epochs`."""
    values = dict(entry)
    epochs, per_epoch = values.pop("epochs", None), values.pop("steps_per_epoch", None)
    if (epochs is None) == ("steps" not in values):
        raise ConfigError(f"{place} needs `steps` or `epochs`, one of them, got {dict(entry)!r}.")
    if epochs is None:
        return values
    for name, count in (("epochs", epochs), ("steps_per_epoch", per_epoch)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ConfigError(f"{place}.{name} must be a whole number above 0, got {count!r}.")
    return {**values, "steps": epochs * per_epoch}


def _read_validation(values: Any, generator: GeneratorSettings) -> Validation:
    if not isinstance(values, dict):
        raise ConfigError(f"validation must be a group of settings, got {values!r}.")
    values = dict(values)
    own = _read_generator(values.pop("generator", {}), generator)
    return read_settings(Validation(generator=own), values, "validation")
