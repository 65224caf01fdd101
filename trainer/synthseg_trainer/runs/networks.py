"""The network that a path stands for: a run, a checkpoint, a bundle, or weights from Keras.

Importing this module loads no Keras.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from synthseg_common.labels import SegmentationLabels
from synthseg_generator.errors import ConfigError as GeneratorConfigError
from synthseg_generator.errors import LabelError
from synthseg_generator.label_table import read_label_table
from synthseg_generator.settings.files import read_yaml
from synthseg_generator.settings.generator import read_settings

from synthseg_trainer.aliases import JsonObject
from synthseg_trainer.config import NetworkSettings, load_settings, output_labels_of
from synthseg_trainer.errors import ConfigError
from synthseg_trainer.network.bundle import Bundle, load_bundle
from synthseg_trainer.network.exchange import (
    KERAS_SUFFIX,
    Description,
    described_in,
    is_keras_weights,
    read_keras_weights,
)
from synthseg_trainer.places import Place
from synthseg_trainer.runs.checkpoints import find_bundle
from synthseg_trainer.runs.mirror import fetched
from synthseg_trainer.runs.provenance import training_info

_KEYS = ("network", "labels", "info", "format")


def load_network(source: Place, settings: Path | None = None) -> Bundle:
    """The network that a path or a URL of object storage stands for.

    Args:
        source: A run, a checkpoint, a bundle (`.npz`), or weights from Keras (`.weights.h5`); at a
            URL a run or a bundle.
        settings: For the latter, the file that describes them; see `read_description`.

    Raises:
        CheckpointError: There is none, it is broken, or the weights do not fit the settings.
        ConfigError: The settings are missing or wrong.
        LabelError: The label table cannot be read.
        LabelTableError: The table of the channels contradicts itself.
    """
    if isinstance(source, str):
        with fetched(source) as local:
            return load_network(local, settings)
    if is_keras_weights(source):
        return read_keras_weights(source, read_description(settings or described_in(source)))
    if settings is not None:
        raise ConfigError(
            f"{source} carries its settings; --settings is for weights from Keras "
            f"(*{KERAS_SUFFIX})."
        )
    return load_bundle(find_bundle(source))


def read_description(path: Path) -> Description:
    """Reads which network weights belong to.

    The file (YAML or JSON) is either the settings of a training, which name a store, or:

        network: {features: 24, n_levels: 5}     as in a training's settings
        labels: v2                               v1, v2, the file of a label table, or the table
                                                 of the channels itself, as `pack` writes it
        info: {name: mine, licence: CC0-1.0}     (optional)

    Raises:
        ConfigError: The file is missing, cannot be read, or holds something else.
        LabelError: The label table cannot be read.
        LabelTableError: The table of the channels contradicts itself.
    """
    try:
        content = read_yaml(path)
        if "stages" in content:
            return _of_training(path)
        return _of_network(content, path)
    except LabelError:
        raise
    except (GeneratorConfigError, ConfigError) as error:
        raise ConfigError(f"{error} Weights from Keras need their settings: {path}.") from error


def _of_training(path: Path) -> Description:
    settings = load_settings(path)
    labels = output_labels_of(settings.store, settings.stages[0].generator.labels)
    return Description(settings.network, labels, training_info(settings))


def _of_network(content: JsonObject, path: Path) -> Description:
    unknown = [key for key in content if key not in _KEYS]
    missing = [key for key in ("network", "labels") if key not in content]
    if unknown or missing:
        raise ConfigError(
            f"{path}: unknown keys {unknown}, missing keys {missing}; "
            "expected network, labels and perhaps info."
        )
    given, info = _group(content, "network", path), _info(content, path)
    labels, known = _labels_and_info(content["labels"], path.parent)
    network = {"n_labels": len(labels), **given}
    settings = read_settings(NetworkSettings(n_labels=len(labels)), network, f"{path}: network")
    if settings.n_labels != len(labels):
        raise ConfigError(
            f"{path}: network.n_labels is {settings.n_labels}, the label table has {len(labels)}."
        )
    return Description(settings, labels, {**known, **info})


def _group(content: JsonObject, name: str, path: Path) -> JsonObject:
    group = content[name]
    if not isinstance(group, Mapping):
        raise ConfigError(f"{path}: {name} must be a group of settings, got {group!r}.")
    return group


def _info(content: JsonObject, path: Path) -> JsonObject:
    """The provenance as JSON values: a date, which YAML knows, as text."""
    if content.get("info") is None:
        return {}
    info: JsonObject = json.loads(json.dumps(_group(content, "info", path), default=str))
    return info


def _labels_and_info(labels: object, folder: Path) -> tuple[SegmentationLabels, JsonObject]:
    if isinstance(labels, Mapping):
        return SegmentationLabels.from_json(labels), {}
    beside = folder / str(labels)
    table = read_label_table(beside if beside.is_file() else str(labels))
    return table.segmentation_labels(), {"anatomy": table.anatomy}
