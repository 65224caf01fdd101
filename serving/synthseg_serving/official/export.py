"""A released network as a versioned SavedModel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from synthseg_common import contract
from synthseg_common.parcels import LEFT_CORTEX
from synthseg_trainer.aliases import Weights
from synthseg_trainer.network.bundle import Bundle

from synthseg_serving.errors import WeightsError
from synthseg_serving.export import export_bundle, export_graph
from synthseg_serving.footprint import SCORER_BYTES_PER_VOXEL, bytes_per_voxel
from synthseg_serving.graph import ServedGraph, Warmup
from synthseg_serving.official.networks import PARCELLATION, QUALITY, ROBUST
from synthseg_serving.official.weights import OfficialFile, inspect_weights
from synthseg_serving.warmup import SEGMENT_WARMUP, WARMUP_EDGE_VOXELS

_EDGE = (WARMUP_EDGE_VOXELS,) * 3
_BLOCK = np.zeros(_EDGE, np.uint8)
_BLOCK[8:24, 8:24, 8:24] = LEFT_CORTEX
_PARCELS_WARMUP = Warmup(
    {
        contract.IMAGE: SEGMENT_WARMUP.inputs[contract.IMAGE],
        contract.NETWORK_LABELS: _BLOCK,
        contract.CLEAN_LABELS: _BLOCK,
    },
    (contract.PARCELS, contract.PARCEL_VOXELS),
)
_QUALITY_WARMUP = Warmup(
    {
        contract.NETWORK_LABELS: _BLOCK,
        contract.SCORED_SIZE: np.array(contract.SCORED_SIZE_MULTIPLE, np.int32),
    },
    (contract.SCORES,),
)


def export_official(
    file: OfficialFile,
    model_dir: Path,
    version: int | None = None,
    name: str | None = None,
    max_voxels: int = contract.DEFAULT_MAX_VOXELS,
) -> Path:
    """Writes one version of a released network; it appears whole or not at all.

    Args:
        file: The weights.
        model_dir: The model's base path.
        version: Number of the version; the next free one by default.
        name: Name under which the model will be served; that of the network by default.
        max_voxels: Voxels that the network grid may have; requests for more are refused.

    Returns:
        The folder `model_dir/<version>`.

    Raises:
        WeightsError: The file does not fit.
        ExportError: The folder cannot be written.
    """
    called = name or file.network.served_name
    weights = file.read()
    if file.network not in _SPECIAL:
        return export_bundle(as_bundle(file, weights), model_dir, version, called, max_voxels)
    make, warmup, said = _SPECIAL[file.network]
    info = {
        "contract": contract.VERSION,
        **file.info(),
        "weights_sha256": file.sha256,
        contract.MAX_VOXELS: max_voxels,
        **said,
    }
    return export_graph(lambda told: make(weights, told), info, warmup, model_dir, version, called)


def read_official(path: Path) -> Bundle:
    """A plain segmenter of the original's, 1.0 or 2.0, as any other trained network.

    Args:
        path: The `.h5` file.

    Raises:
        WeightsError: It is missing, broken, or no plain segmenter.
    """
    file = inspect_weights(path)
    if file.network in _SPECIAL:
        raise WeightsError(
            f"{path} holds {file.network.title}, which is no plain segmenter: "
            "`synthseg-serving import-weights` makes a served model of it."
        )
    return as_bundle(file, file.read())


def as_bundle(file: OfficialFile, weights: Weights) -> Bundle:
    """A plain segmenter as any other trained network.

    Args:
        file: The weights' file.
        weights: Its content.
    """
    (part,) = file.network.parts
    return Bundle(
        network=part.network,
        labels=file.network.labels,
        weights=part.weights(weights),
        info=file.info(),
    )


def _robust(weights: Weights, info: dict[str, object]) -> ServedGraph:
    from synthseg_serving.official.robust import RobustSegmenter

    return RobustSegmenter(weights, info)


def _parcellator(weights: Weights, info: dict[str, object]) -> ServedGraph:
    from synthseg_serving.official.parcellation import Parcellator

    return Parcellator(weights, info)


def _scorer(weights: Weights, info: dict[str, object]) -> ServedGraph:
    from synthseg_serving.official.quality import Scorer

    return Scorer(weights, info)


_Make = Callable[[Weights, dict[str, object]], ServedGraph]
_SPECIAL: dict[object, tuple[_Make, Warmup, dict[str, object]]] = {
    ROBUST: (
        _robust,
        SEGMENT_WARMUP,
        {
            "mirrored": False,
            contract.FAST_CLEAN_UP: True,
            contract.BYTES_PER_VOXEL: max(bytes_per_voxel(part.network) for part in ROBUST.parts),
        },
    ),
    PARCELLATION: (
        _parcellator,
        _PARCELS_WARMUP,
        {
            contract.ROLE: contract.PARCELLATOR,
            contract.BYTES_PER_VOXEL: bytes_per_voxel(
                PARCELLATION.parts[0].network, keeps_probabilities=False
            ),
        },
    ),
    QUALITY: (
        _scorer,
        _QUALITY_WARMUP,
        {contract.ROLE: contract.SCORER, contract.BYTES_PER_VOXEL: SCORER_BYTES_PER_VOXEL},
    ),
}
