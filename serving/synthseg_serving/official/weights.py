"""Reads the original's `.h5` files, in either layout that Keras 2 wrote.

Only layer names matter, as in the original. Unlike there, a layer that is missing or has another
shape is an error that names it: the original leaves such a layer random in silence.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from synthseg_common.arrays import FloatArray
from synthseg_common.errors import one_line
from synthseg_common.images.content import placeholder

from synthseg_serving.errors import WeightsError
from synthseg_serving.official.networks import NETWORKS, OfficialNetwork, Shapes, recognise
from synthseg_serving.variables import check_shapes

RELEASED_V1_BLOB = "a28f57090fab43709a9024fc747e5c3725326454"
"""Git blob id of `models/synthseg_1.0.h5` in the original's repository."""
_WHOLE_MODEL = "model_weights"
_CHUNK_BYTES = 1 << 20
# What h5py raises about a file that is damaged, at whatever place.
_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


@dataclass(frozen=True)
class OfficialFile:
    """A file of weights that was recognised and fits.

    Attributes:
        path: Where it lies.
        network: Which network's it is.
        sha256: Of its content.
        released: Whether it is, byte for byte, a file that the original's authors released.
    """

    path: Path
    network: OfficialNetwork
    sha256: str
    released: bool

    def read(self) -> dict[str, FloatArray]:
        """Arrays by `<layer>/<variable>`, exactly the network's.

        Raises:
            WeightsError: The file has changed since, and fits no more.
        """
        weights = read_variables(self.path, self.network.shapes)
        check_shapes(weights, self.network.shapes, str(self.path))
        return weights

    def info(self) -> dict[str, object]:
        """What the served model says of where it comes from."""
        return {
            "name": self.network.served_name,
            "licence": "Apache-2.0" if self.released else "as the file's source says",
            "training": {
                "source": self.path.name,
                "sha256": self.sha256,
                "released": self.network.title if self.released else "not recognised",
            },
        }


def inspect_weights(path: Path) -> OfficialFile:
    """Recognises a file and reads it through.

    Raises:
        WeightsError: It is missing, broken, no network of the original's, or lacks a layer.
    """
    found = shapes_in(path)
    network = recognise(found)
    if network is None:
        raise WeightsError(
            f"{path} holds none of the original's networks: expected the layers of "
            f"{', '.join(n.file for n in NETWORKS)}."
        )
    _refuse_other_tables(path, network, found)
    _refuse_large(path, network, found)
    check_shapes(read_variables(path, network.shapes), network.shapes, str(path))
    digest = _sha256(path)
    released = digest == network.sha256 or git_blob_id(path) == RELEASED_V1_BLOB
    return OfficialFile(path, network, digest, released)


def shapes_in(path: Path) -> Shapes:
    """Shape of every variable in a file, by `<layer>/<variable>`; empty if it has none.

    Raises:
        WeightsError: It is missing or no HDF5 file.
    """
    with _opened(path) as root:
        return {name: item.shape for name, item in _variables(root, root)}


def read_variables(path: Path, names: Iterable[str]) -> dict[str, FloatArray]:
    """float32 arrays by `<layer>/<variable>`, of those names that the file has.

    Raises:
        WeightsError: It is missing or broken.
    """
    wanted = set(names)
    layers = {name.split("/")[0] for name in wanted}
    with _opened(path) as root:
        found = [(n, item) for n, item in _variables(root, layers) if n in wanted]
        return {name: np.asarray(item, np.float32) for name, item in found}


def git_blob_id(path: Path) -> str:
    """The id that git gives the file's content."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    return _hex_of(path, digest)


def _sha256(path: Path) -> str:
    return _hex_of(path, hashlib.sha256())


def _hex_of(path: Path, digest: hashlib._Hash) -> str:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[h5py.Group]:
    """The group that holds the layers."""
    try:
        with h5py.File(path, "r") as file:
            yield file.get(_WHOLE_MODEL, file)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: {placeholder(path) or 'no such file'}.") from error
    except _BROKEN as error:
        if told := placeholder(path):
            raise WeightsError(f"{path}: {told}.") from error
        raise WeightsError(
            f"{path} is no HDF5 file of Keras weights: {one_line(error)}."
        ) from error


def _variables(root: h5py.Group, layers: Iterable[str]) -> list[tuple[str, h5py.Dataset]]:
    """Variables of layers; what groups the file has between the two does not matter.

    A name that a layer has twice is left out: it is not known which is meant.
    """
    found: dict[str, list[h5py.Dataset]] = {}
    for layer in layers:
        group = root.get(layer)
        if not isinstance(group, h5py.Group):
            continue

        def visit(path: str, item: object, layer: str = layer) -> None:
            if isinstance(item, h5py.Dataset):
                variable = path.split("/")[-1].split(":")[0]
                found.setdefault(f"{layer}/{variable}", []).append(item)

        group.visititems(visit)
    return [(name, items[0]) for name, items in found.items() if len(items) == 1]


def _refuse_large(path: Path, network: OfficialNetwork, found: Shapes) -> None:
    """A file of some kilobytes may claim any shape, which memory is taken for when it is read."""
    for name, shape in network.shapes.items():
        if math.prod(found.get(name, ())) > math.prod(shape):
            raise WeightsError(
                f"{path}: the weights do not fit the network: {name} has shape {found[name]}, "
                f"expected {shape}."
            )


def _refuse_other_tables(path: Path, network: OfficialNetwork, found: Shapes) -> None:
    """Says plainly that a plain segmenter answers other labels than the released ones."""
    likelihood = "unet_likelihood/bias"
    expected, has = network.shapes.get(likelihood), found.get(likelihood)
    if network.layers <= {n.split("/")[0] for n in found} and expected and has != expected:
        tables = sorted(
            {len(n.labels) for n in NETWORKS if likelihood in n.shapes and n.parts[1:] == ()}
        )
        raise WeightsError(
            f"{path} answers {has[0] if has else 'no'} labels; released networks of its kind "
            f"answer {' or '.join(map(str, tables))}."
        )
