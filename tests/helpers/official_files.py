"""Files as the original's authors released them, with weights of our own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import numpy as np
from synthseg_serving.official.networks import OfficialNetwork
from synthseg_trainer.aliases import FloatArray

Value = Callable[[str, tuple[int, ...]], FloatArray | float]
"""Of a variable by its name and shape; a number fills it, and takes no room in the file."""


def half(_name: str, _shape: tuple[int, ...]) -> float:
    """Every weight 0.5: a file of a few kilobytes."""
    return 0.5


class Random:
    """Weights that make a network's answers differ from voxel to voxel."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        if name.endswith(("variance", "gamma")):
            return self._rng.uniform(0.5, 2.0, shape).astype(np.float32)
        value = self._rng.standard_normal(shape, np.float32)
        if len(shape) == 1:
            return value * np.float32(0.1)
        return value * np.float32(np.sqrt(2 / np.prod(shape[:-1])))


def write_official(
    path: Path,
    network: OfficialNetwork,
    value: Value = half,
    whole_model: bool = False,
    without: Iterable[str] = (),
) -> Path:
    """Writes a network's file.

    Args:
        path: The file.
        network: Whose layers it holds.
        value: Of each variable.
        whole_model: The layout with the optimiser's state, instead of weights only.
        without: Layers to leave out.
    """
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        root.create_group("unet_input")
        for name, shape in network.shapes.items():
            layer, variable = name.split("/")
            if layer not in set(without):
                add_variable(root, layer, variable, value(name, shape), shape)
        if whole_model:
            file.attrs["keras_version"] = "2.3.1"
            file["optimizer_weights/training/Adam/unet_likelihood/kernel/m:0"] = np.zeros(3)
            root["means_input/x:0"] = np.zeros(2)
    return path


def add_variable(
    root: h5py.Group, layer: str, variable: str, value: FloatArray | float, shape: tuple[int, ...]
) -> None:
    """Puts a variable where Keras 2 has it."""
    name = f"{layer}/{layer}/{variable}:0"
    if isinstance(value, float):
        root.create_dataset(name, shape, np.float32, chunks=True, fillvalue=value)
    else:
        root[name] = value


def write_recorded(shared_data: Path, folder: Path, *networks: str) -> Path:
    """Writes the weights of the recorded outputs, exact to the bit, and answers the folder.

    Args:
        shared_data: As the fixture.
        folder: For the files.
        networks: As the recipe names them, `robust_2.0` for instance.
    """
    recipe = shared_data / "reference_2.0" / "models" / "make_weights.py"
    subprocess.run(
        [sys.executable, str(recipe), "--out", str(folder), *networks],
        check=True,
        capture_output=True,
    )
    return folder
