"""Settings of the generative model in files. Importing this module loads nothing heavy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthseg_common.errors import one_line

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import GeneratorSettings, generator_settings
from synthseg_generator.settings.reading import read_settings
from synthseg_generator.settings.scans import ScanNoise

# A training's file holds the generator's settings as one group among others.
_GROUP = "generator"
_SCANS_GROUP = "supervised"
_TRAINING_GROUPS = (_GROUP, _SCANS_GROUP, "stages")
# Groups that came after the first digests, which did not know them: off, they are left out.
_LATER = ("growth", "lesions", "stripping", "field_of_view")
_RECIPES = Path(__file__).parent / "recipes"


def list_recipes() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(path.stem for path in _RECIPES.glob("*.yaml"))


def load_settings(path: Path | str | None) -> GeneratorSettings:
    """Settings from a YAML or JSON file or a recipe; those of the released model without one.

    The file holds the groups of `GeneratorSettings`, or is a training's, with one group `generator`
    with them in it, or the name of a recipe there, or none of it. What its stages change, and its
    seed, are not read.

    Args:
        path: The file, or the name of a recipe that ships with the package (`released`, `2021`).

    Raises:
        ConfigError: The file is unreadable, or a setting unknown or unfit.
    """
    if path is None:
        return GeneratorSettings()
    path = _recipe_or_file(Path(path))
    content = read_yaml(path)
    of_training = any(name in content for name in _TRAINING_GROUPS)
    group = content.get(_GROUP, {}) if of_training else content
    if isinstance(group, str):
        return load_settings(group)
    try:
        return generator_settings(group)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def load_scan_noise(path: Path | str | None) -> ScanNoise:
    """Noise added to scans: `supervised.noise` of a training's file, or the default.

    Args:
        path: As for `load_settings`.

    Raises:
        ConfigError: The file is unreadable, or a setting unknown or unfit.
    """
    content = {} if path is None else read_yaml(_recipe_or_file(Path(path)))
    group = content.get(_SCANS_GROUP, {})
    try:
        if not isinstance(group, Mapping) or not set(group) <= {"enabled", "noise"}:
            raise ConfigError(f"{_SCANS_GROUP} holds `enabled` and `noise` alone, got {group!r}.")
        return read_settings(ScanNoise(), group.get("noise", {}), f"{_SCANS_GROUP}.noise")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _recipe_or_file(path: Path) -> Path:
    recipe = _RECIPES / f"{path}.yaml"
    if path.is_file() or not recipe.is_file():
        return path
    return recipe


def read_yaml(path: Path) -> dict[str, Any]:
    """The object that a YAML or JSON file holds.

    Raises:
        ConfigError: The file is missing, broken, or holds something else.
    """
    try:
        content = parse_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no readable YAML or JSON file: {one_line(error)}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no settings, expected groups such as `crop:`.")
    return content


def parse_yaml(path: Path) -> object:
    """What a YAML or JSON file holds.

    Raises:
        OSError: It is not there, or cannot be read.
        ValueError: It is neither YAML nor JSON.
    """
    import yaml  # every JSON file is YAML too

    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    return content


def dump_settings(settings: GeneratorSettings) -> dict[str, Any]:
    """Settings as the nested mapping that `generator_settings` reads and JSON holds.

    Equal settings give the same text, also where one was written with 1 and the other with 1.0.
    """
    from synthseg_generator.settings.converter import CONVERTER

    # Read again, for what a program gives may be whole numbers where fractions are meant.
    again = generator_settings(CONVERTER.unstructure(settings))
    mapping: dict[str, Any] = CONVERTER.unstructure(again)
    return mapping


def complete_mapping(mapping: Any) -> Any:
    """A mapping that an earlier version wrote, with the defaults of what it did not know.

    What holds no settings comes back as it is: it equals none.
    """
    try:
        return dump_settings(generator_settings(mapping))
    except ConfigError:
        return mapping


def digest_settings(settings: GeneratorSettings) -> str:
    """Names settings by their content; equal settings have equal digests, in later versions too."""
    mapping, off = dump_settings(settings), dump_settings(GeneratorSettings())
    for name in _LATER:
        if mapping[name] == off[name]:
            del mapping[name]
    text = json.dumps(mapping, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
