"""Runs brainchop's networks: MeshNet, a row of dilated convolutions, as TensorFlow.js keeps it.

What brainchop 4 does around its 18-class networks (brainchop-parameters.js, inference-logic.js) is
done here, too: the scan is scaled from its least to its largest value, cut to what is brighter than
a fifth of that, and only the largest piece of what is found is kept.

References:
    Masoud et al. 2023, doi:10.21105/joss.05098; Fedorov et al. 2016, arXiv:1612.00940.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MODEL, LABELS = "model.json", "colormap.json"
CONFORMED = (256, 256, 256)
_HEAD = 0.2  # of the brightest voxel

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A convolution that keeps the size.

    Attributes:
        kernel: float32 `[x, y, z, in, out]`.
        bias: float32 `[out]`.
        dilation: Voxels between the kernel's places.
    """

    kernel: Floats
    bias: Floats
    dilation: int


def read_layers(folder: Path) -> list[Layer]:
    """The convolutions of a model; ELU follows each but the last.

    Raises:
        ValueError: It is no such row: other layers, or other activations.
    """
    described = json.loads((folder / MODEL).read_text())
    layers = described["modelTopology"]["model_config"]["config"]["layers"]
    _refuse_other_rows(layers)
    weights = _read_weights(folder, described["weightsManifest"])
    return [
        Layer(
            weights[f"{layer['config']['name']}/kernel"],
            weights[f"{layer['config']['name']}/bias"],
            int(layer["config"]["dilation_rate"][0]),
        )
        for layer in layers
        if layer["class_name"] == "Conv3D"
    ]


def _refuse_other_rows(layers: list[Mapping[str, Any]]) -> None:
    kinds = [layer["class_name"] for layer in layers]
    if kinds[:1] != ["InputLayer"] or kinds[1:] != ["Conv3D", "Activation"] * (
        len(kinds) // 2 - 1
    ) + ["Conv3D"]:
        raise ValueError(f"expected convolutions with activations between them, got {kinds}.")
    activations = {
        layer["config"]["activation"] for layer in layers if layer["class_name"] == "Activation"
    }
    if activations - {"elu"}:
        raise ValueError(f"expected ELU alone, got {sorted(activations)}.")


def _read_weights(folder: Path, manifest: list[Mapping[str, Any]]) -> dict[str, Floats]:
    found = {}
    for group in manifest:
        data = b"".join((folder / name).read_bytes() for name in group["paths"])
        values, start = np.frombuffer(data, "<f4"), 0
        for weight in group["weights"]:
            size = math.prod(weight["shape"])
            found[weight["name"]] = values[start : start + size].reshape(weight["shape"])
            start += size
    return found


def read_names(folder: Path) -> list[str]:
    """Names of the classes, background first."""
    names: list[str] = json.loads((folder / LABELS).read_text())["labels"]
    return names


def segment(image: NDArray[np.generic], layers: list[Layer]) -> NDArray[np.int64]:
    """The class of each voxel.

    Args:
        image: `[256, 256, 256]` at 1 mm, axes left, inferior, anterior, as FreeSurfer conforms
            scans and brainchop before it asks its networks.
        layers: Of the network.

    Raises:
        ValueError: The image has another shape.
    """
    if image.shape != CONFORMED:
        raise ValueError(f"expected a conformed scan of {CONFORMED} voxels, got {image.shape}.")
    scaled = image.astype(np.float32)
    scaled = (scaled - scaled.min()) / (scaled.max() - scaled.min())
    (box,) = ndimage.find_objects((scaled > _HEAD * scaled.max()).astype(np.int8))
    classes = np.zeros(image.shape, np.int64)
    classes[box] = apply(scaled[box], layers)
    return largest_piece(classes)


def apply(image: Floats, layers: list[Layer]) -> NDArray[np.int64]:
    """The most probable class of each voxel of `[x, y, z]`."""
    import tensorflow as tf

    values = tf.constant(image[None, ..., None])
    for number, layer in enumerate(layers):
        values = tf.nn.convolution(
            values, layer.kernel, padding="SAME", dilations=[layer.dilation] * 3
        )
        values = tf.nn.bias_add(values, layer.bias)
        if number < len(layers) - 1:
            values = tf.nn.elu(values)
    best: NDArray[np.int64] = tf.argmax(values[0], -1).numpy()
    return best


def largest_piece(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Classes without what does not hang together with the most of them, corners included."""
    pieces, _ = ndimage.label(classes > 0, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    kept: NDArray[np.int64] = np.where(pieces == sizes.argmax(), classes, 0)
    return kept if sizes.any() else classes
