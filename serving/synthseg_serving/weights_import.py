"""Weights of the original SynthSeg, from the `.h5` files that Keras 2 wrote.

Only layer names matter, as in the original. Unlike there, a layer that is missing or has another
shape is an error that names it: the original leaves such a layer random in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from synthseg_common.images.content import placeholder
from synthseg_common.labels import SYNTHSEG_V1, SYNTHSEG_V2, SegmentationLabels
from synthseg_trainer.aliases import FloatArray, Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import Bundle

from synthseg_serving.errors import WeightsError
from synthseg_serving.variables import check_weights, variable_shapes

LABELS: Mapping[str, SegmentationLabels] = {"v1": SYNTHSEG_V1, "v2": SYNTHSEG_V2}
RELEASED_V1_BLOB = "a28f57090fab43709a9024fc747e5c3725326454"
"""Git blob id of `models/synthseg_1.0.h5` in the original's repository."""
_WHOLE_MODEL = "model_weights"
_CHUNK_BYTES = 1 << 20


def read_released(path: Path, labels: str) -> Bundle:
    """Reads a plain segmenter of SynthSeg 1.0 (`v1`, 32 labels) or 2.0 (`v2`, 33 labels).

    Args:
        path: A weights-only file, or a whole model with the weights under `model_weights`.
        labels: `v1` or `v2`.

    Raises:
        WeightsError: The file is missing or broken, or a layer is missing or misshapen.
    """
    table = LABELS[labels]
    network = NetworkSettings(n_labels=len(table))
    expected = variable_shapes(network)
    try:
        with h5py.File(path, "r") as file:
            root = file.get(_WHOLE_MODEL, file)
            weights = {name: _find(root, name) for name in expected}
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: {placeholder(path) or 'no such file'}.") from error
    except OSError as error:
        if told := placeholder(path):
            raise WeightsError(f"{path}: {told}.") from error
        raise WeightsError(f"{path} is no HDF5 file of Keras weights: {error}.") from error
    found = {name: value for name, value in weights.items() if value is not None}
    _check_version(found, labels, path)
    check_weights(found, network, str(path))
    return Bundle(network=network, labels=table, weights=found, info=_provenance(path, labels))


def git_blob_id(path: Path) -> str:
    """The id that git gives the file's content."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _find(root: h5py.Group, name: str) -> FloatArray | None:
    """A variable of a layer; what groups the file has between the two does not matter."""
    layer, variable = name.split("/")
    if layer not in root:
        return None
    found: list[FloatArray] = []

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and path.split("/")[-1].split(":")[0] == variable:
            found.append(np.asarray(item, np.float32))

    root[layer].visititems(visit)
    return found[0] if len(found) == 1 else None


def _check_version(weights: Weights, labels: str, path: Path) -> None:
    """Says plainly when the file is the other version's."""
    bias = weights.get("unet_likelihood/bias")
    if bias is None or len(bias) == len(LABELS[labels]):
        return
    fitting = [name for name, table in LABELS.items() if len(table) == len(bias)]
    if fitting:
        raise WeightsError(
            f"{path} answers {len(bias)} labels, {labels} has {len(LABELS[labels])}; use "
            f"--labels {fitting[0]}."
        )


def _provenance(path: Path, labels: str) -> dict[str, Any]:
    blob = git_blob_id(path)
    released = blob == RELEASED_V1_BLOB
    return {
        "name": f"synthseg-{labels}",
        "licence": "Apache-2.0" if released else "as the file's source says",
        "training": {
            "source": path.name,
            "git_blob": blob,
            "released": "SynthSeg 1.0" if released else "not recognised",
        },
    }
