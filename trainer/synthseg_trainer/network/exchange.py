"""Networks trained elsewhere: weights as Keras itself writes them, `.weights.h5`, in and out.

`keras.Model.save_weights` of a network that `build_unet` made writes the same file on the
TensorFlow, JAX and PyTorch backends. It holds arrays alone; which network they belong to and what
its channels mean stands in a settings file, by default beside it: `model.json` for
`model.weights.h5`.

Importing this module loads no Keras.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthseg_generator.config import read_settings
from synthseg_generator.errors import ConfigError as GeneratorConfigError
from synthseg_generator.errors import LabelError
from synthseg_generator.files import sync
from synthseg_generator.label_table import read_label_table
from synthseg_generator.labels import SegmentationLabels
from synthseg_generator.settings_file import read_yaml

from synthseg_trainer.config import NetworkSettings, load_settings, output_labels_of
from synthseg_trainer.errors import CheckpointError, ConfigError
from synthseg_trainer.network.bundle import Bundle, assign_weights, load_bundle, weights_of
from synthseg_trainer.runs.checkpoints import find_bundle

KERAS_SUFFIX = ".weights.h5"
_KEYS = ("network", "labels", "info", "format")


@dataclass(frozen=True)
class Description:
    """What a file of weights does not say of itself.

    Attributes:
        network: Shape of the network.
        labels: What its channels mean.
        info: Provenance, see `Bundle.info`.
    """

    network: NetworkSettings
    labels: SegmentationLabels
    info: Mapping[str, Any]


def load_network(source: Path, settings: Path | None = None) -> Bundle:
    """The network that a path stands for.

    Args:
        source: A run, a checkpoint, a bundle (`.npz`), or weights from Keras (`.weights.h5`).
        settings: For the latter, the file that describes them; see `read_description`.

    Raises:
        CheckpointError: There is none, it is broken, or the weights do not fit the settings.
        ConfigError: The settings are missing or wrong.
        LabelError: The label table is.
    """
    if is_keras_weights(source):
        return read_keras_weights(source, read_description(settings or described_in(source)))
    if settings is not None:
        raise ConfigError(
            f"{source} carries its settings; --settings is for weights from Keras "
            f"(*{KERAS_SUFFIX})."
        )
    return load_bundle(find_bundle(source))


def is_keras_weights(path: Path) -> bool:
    """Whether a path names weights as Keras writes them."""
    return path.name.endswith(KERAS_SUFFIX)


def described_in(weights: Path) -> Path:
    """The settings file beside weights: `model.json` for `model.weights.h5`."""
    return weights.with_name(f"{weights.name.removesuffix(KERAS_SUFFIX)}.json")


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


def read_keras_weights(path: Path, description: Description) -> Bundle:
    """Reads what `save_weights` wrote, on whatever backend.

    Raises:
        CheckpointError: The file is missing or broken, or belongs to another network.
    """
    from synthseg_trainer.network.unet import build_unet

    model = build_unet(description.network)
    found, expected = _count_arrays(path), len(model.weights)
    if found != expected:
        raise CheckpointError(
            f"{path} holds {found} arrays, the network of its settings has {expected}: "
            "they describe another network."
        )
    try:
        with warnings.catch_warnings():
            # Where Keras finds nothing for a layer it may only warn, and leave it random.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (ValueError, KeyError, OSError, UserWarning) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{path} does not fit the network of its settings: {reason}"
        ) from error
    return Bundle(
        network=description.network,
        labels=description.labels,
        weights=weights_of(model),
        info=description.info,
    )


def write_keras_weights(path: Path, bundle: Bundle) -> Path:
    """Writes weights as Keras does, each file whole or not at all, and the settings beside them.

    Returns:
        The settings file.

    Raises:
        CheckpointError: The bundle's weights do not fit its network.
    """
    from synthseg_trainer.network.unet import build_unet

    model = build_unet(bundle.network)
    assign_weights(model, bundle.weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    description = {
        "network": asdict(bundle.network),
        "labels": asdict(bundle.labels),
        "info": dict(bundle.info),
    }
    beside = described_in(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        text, weights = Path(folder) / beside.name, Path(folder) / path.name
        text.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        model.save_weights(weights)
        for file, place in ((text, beside), (weights, path)):
            sync(file)
            file.replace(place)
    return beside


def _of_training(path: Path) -> Description:
    from synthseg_trainer.runs.provenance import training_info

    settings = load_settings(path)
    labels = output_labels_of(settings.store)
    return Description(settings.network, labels, training_info(settings))


def _of_network(content: Mapping[str, Any], path: Path) -> Description:
    unknown = [key for key in content if key not in _KEYS]
    missing = [key for key in ("network", "labels") if key not in content]
    if unknown or missing:
        raise ConfigError(
            f"{path}: unknown keys {unknown}, missing keys {missing}; "
            "expected network, labels and perhaps info."
        )
    labels, info = _labels_and_info(content["labels"], path.parent)
    network = {"n_labels": len(labels), **content["network"]}
    settings = read_settings(NetworkSettings(n_labels=len(labels)), network, f"{path}: network")
    if settings.n_labels != len(labels):
        raise ConfigError(
            f"{path}: network.n_labels is {settings.n_labels}, the label table has {len(labels)}."
        )
    return Description(settings, labels, {**info, **(content.get("info") or {})})


def _labels_and_info(labels: Any, folder: Path) -> tuple[SegmentationLabels, dict[str, Any]]:
    if isinstance(labels, Mapping):
        return SegmentationLabels.from_json(labels), {}
    beside = folder / str(labels)
    table = read_label_table(beside if beside.is_file() else str(labels))
    return table.segmentation_labels(), {"anatomy": table.anatomy}


def _count_arrays(path: Path) -> int:
    import h5py  # Keras needs it too

    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(name)

    try:
        with h5py.File(path, "r") as file:
            # Beside the layers Keras may have written an optimizer.
            file["layers"].visititems(visit)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file.") from error
    except (OSError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds no weights as Keras 3 writes them (model.save_weights): {error}."
        ) from error
    return len(found)
