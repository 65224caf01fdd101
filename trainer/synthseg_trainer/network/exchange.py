"""Networks trained elsewhere: weights as Keras itself writes them, `.weights.h5`, in and out.

`keras.Model.save_weights` of a network that `build_unet` made writes the same file on the
TensorFlow, JAX and PyTorch backends. It holds arrays alone; which network they belong to and what
its channels mean stands in a settings file, by default beside it: `model.json`, `model.yaml` or
`model.yml` for `model.weights.h5`.

Importing this module loads no Keras.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from synthseg_common.arrays import FloatArray
from synthseg_common.errors import OutputError, reason_of
from synthseg_common.files import FileGroup, replacing, write_text
from synthseg_common.labels import SegmentationLabels

from synthseg_trainer.aliases import JsonObject
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError, ConfigError
from synthseg_trainer.network.bundle import Bundle, assign_weights

if TYPE_CHECKING:
    import h5py
    import keras

KERAS_SUFFIX = ".weights.h5"
_DESCRIPTIONS = (".json", ".yaml", ".yml")


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
    info: JsonObject


def is_keras_weights(path: Path) -> bool:
    """Whether a path names weights as Keras writes them."""
    return path.name.endswith(KERAS_SUFFIX)


def described_in(weights: Path) -> Path:
    """The settings file beside weights: `model.json` for `model.weights.h5`, else YAML.

    Raises:
        ConfigError: There is none.
    """
    places = _beside(weights)
    for place in places:
        if place.is_file():
            return place
    *names, last = (place.name for place in places)
    raise ConfigError(
        f"expected {', '.join(names)} or {last} beside {weights}, found none. Weights from Keras "
        "need their settings."
    )


def _beside(weights: Path) -> list[Path]:
    stem = weights.name.removesuffix(KERAS_SUFFIX)
    return [weights.with_name(stem + suffix) for suffix in _DESCRIPTIONS]


def read_keras_weights(path: Path, description: Description) -> Bundle:
    """Reads what `save_weights` wrote, on whatever backend.

    Arrays are found by the names of their layers, which Keras writes beside them. Its own
    `load_weights` goes by the names of Python classes, and a file would not outlive their renaming.

    Raises:
        CheckpointError: The file is missing or broken, or belongs to another network.
    """
    from synthseg_trainer.network.unet import build_unet

    model = build_unet(description.network)
    weights = _by_variable(_read_arrays(path), model)
    try:
        assign_weights(model, weights)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error} Its settings describe another network.") from error
    return Bundle(
        network=description.network,
        labels=description.labels,
        weights=weights,
        info=description.info,
    )


def write_keras_weights(path: Path, bundle: Bundle) -> Path:
    """Writes weights as Keras does, and the settings beside them: both, or neither of them.

    Returns:
        The settings file.

    Raises:
        CheckpointError: The bundle's weights do not fit its network, or a file cannot be written.
    """
    from synthseg_trainer.network.unet import build_unet

    model = build_unet(bundle.network)
    assign_weights(model, bundle.weights)
    description = {
        "network": asdict(bundle.network),
        "labels": asdict(bundle.labels),
        "info": dict(bundle.info),
    }
    beside = _beside(path)[0]
    try:
        with FileGroup() as group:
            write_text(beside, json.dumps(description, indent=1) + "\n", group)
            with replacing(path, group) as weights:
                model.save_weights(weights)
    except OutputError as error:
        raise CheckpointError(f"{path} cannot be written: {reason_of(error)}.") from error
    return beside


def _read_arrays(path: Path) -> dict[tuple[str, int], FloatArray]:
    """The arrays by layer and number, which is the variable's in its layer."""
    import h5py  # Keras needs it too

    found: dict[tuple[str, int], FloatArray] = {}

    def visit(place: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found[item.parent.attrs["name"], int(place.split("/")[-1])] = _values(item)

    try:
        with h5py.File(path, "r") as file:
            # Beside the layers Keras may have written an optimizer.
            file["layers"].visititems(visit)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file.") from error
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} holds no weights as Keras 3 writes them (model.save_weights): {error}."
        ) from error
    return found


def _values(dataset: h5py.Dataset) -> FloatArray:
    """A dataset as float32."""
    if dataset.attrs.get("dtype") != "bfloat16":
        return np.asarray(dataset, np.float32)
    import ml_dtypes  # Keras needs it too

    # HDF5 does not know this width: it holds bare bytes.
    return np.asarray(dataset, ml_dtypes.bfloat16).astype(np.float32)


def _by_variable(
    arrays: Mapping[tuple[str, int], FloatArray], model: keras.Model
) -> dict[str, FloatArray]:
    """Arrays by `<layer>/<variable>`; one of no such variable keeps its number."""
    names = {
        (layer.name, number): variable.name
        for layer in model.layers
        for number, variable in enumerate(layer.weights)
    }
    return {f"{place[0]}/{names.get(place, place[1])}": value for place, value in arrays.items()}
