"""A trained network in one file: weights by layer name, settings, labels, provenance.

The file is a plain `.npz` without pickled objects: one array per variable, named
`<layer>/<variable>`, and the array `metadata`, a JSON text. Reading or writing it needs no Keras.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import DTypeLike
from synthseg_common.arrays import FloatArray
from synthseg_common.errors import one_line
from synthseg_common.files import DAMAGED_ARCHIVE, replacing
from synthseg_common.images.content import placeholder
from synthseg_common.labels import SegmentationLabels

from synthseg_trainer.aliases import JsonObject, Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError

if TYPE_CHECKING:
    import keras

FORMAT_VERSION = 1
_METADATA = "metadata"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A trained network.

    Attributes:
        network: Shape of the network.
        labels: What its channels mean.
        weights: float32 arrays by `<layer>/<variable>`, as `unet_conv_downarm_0_0/kernel`.
        info: Provenance as JSON values: `name`, `licence`, `training`, scores.
    """

    network: NetworkSettings
    labels: SegmentationLabels
    weights: Weights
    info: JsonObject = field(default_factory=dict)


def save_bundle(path: Path, bundle: Bundle, dtype: DTypeLike = np.float32) -> None:
    """Writes a bundle, whole or not at all.

    Args:
        path: The `.npz` file.
        bundle: The network.
        dtype: Type of the weights on disk; float16 halves the file.

    Raises:
        OutputError: The file cannot be written.
        CheckpointError: A variable holds what is no finite number of that type.
    """
    metadata = {
        "format": FORMAT_VERSION,
        "network": asdict(bundle.network),
        "labels": asdict(bundle.labels),
        "info": dict(bundle.info),
    }
    arrays = {
        name: _narrowed(value, dtype, f"{path}: {name}") for name, value in bundle.weights.items()
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        # For a type checker an array might be called `allow_pickle`.
        np.savez(file, **{_METADATA: np.array(json.dumps(metadata))}, **arrays)  # type: ignore[arg-type]


def load_bundle(path: Path) -> Bundle:
    """Reads a bundle; weights come back as float32.

    Raises:
        CheckpointError: The file is missing, broken, or of another format.
    """
    try:
        with path.open("rb") as opened:
            metadata, weights = _read(opened)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: {placeholder(path) or 'no such file'}.") from error
    except DAMAGED_ARCHIVE as error:
        if told := placeholder(path):
            raise CheckpointError(f"{path}: {told}.") from error
        raise CheckpointError(
            f"{path} is not a model bundle (.npz with weights and metadata): {one_line(error)}."
        ) from error
    if metadata.get("format") != FORMAT_VERSION:
        found = metadata.get("format")
        raise CheckpointError(
            f"{path} has bundle format {found}, this version reads {FORMAT_VERSION}."
        )
    try:
        return Bundle(
            network=NetworkSettings(**metadata["network"]),
            labels=SegmentationLabels.from_json(metadata["labels"]),
            weights=weights,
            info=metadata["info"],
        )
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: the bundle's metadata do not fit: {error}.") from error


def _narrowed(value: FloatArray, dtype: DTypeLike, name: str) -> FloatArray:
    """A variable in the type that it has on disk; `name` is for the error."""
    with np.errstate(over="ignore"):
        narrowed = np.asarray(value, dtype)
    if np.isfinite(narrowed).all():
        return narrowed
    if np.isfinite(value).all():
        raise CheckpointError(f"{name} holds values too large for {narrowed.dtype}; use float32.")
    raise CheckpointError(f"{name} holds values that are not finite.")


def _read(opened: BinaryIO) -> tuple[JsonObject, dict[str, FloatArray]]:
    """Metadata and weights of an open bundle."""
    file = np.load(opened, allow_pickle=False)
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("it holds a single array")
    with file:
        metadata = json.loads(str(file[_METADATA]))
        weights = {name: file[name].astype(np.float32) for name in file.files if name != _METADATA}
    if not isinstance(metadata, dict):
        raise ValueError("its metadata are no JSON object")
    return metadata, weights


def weights_of(model: keras.Model) -> dict[str, FloatArray]:
    """The model's variables as float32 arrays by `<layer>/<variable>`."""
    return {
        f"{layer.name}/{variable.name}": np.asarray(variable.numpy(), np.float32)
        for layer in model.layers
        for variable in layer.weights
        if "seed_generator" not in variable.path
    }


def assign_weights(model: keras.Model, weights: Weights) -> None:
    """Gives the model these weights: every variable, with its shape, and nothing else.

    Raises:
        CheckpointError: A variable is missing, left over, or misshapen; the message names them.
    """
    variables = {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}
    problems = [f"{name} is missing" for name in variables if name not in weights]
    problems += [f"{name} is not in the network" for name in weights if name not in variables]
    problems += [
        f"{name} has shape {tuple(weights[name].shape)}, expected {tuple(variable.shape)}"
        for name, variable in variables.items()
        if name in weights and tuple(weights[name].shape) != tuple(variable.shape)
    ]
    if problems:
        more = f", and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(
            f"the weights do not fit the network: {'; '.join(problems[:5])}{more}."
        )
    for name, variable in variables.items():
        variable.assign(weights[name])
