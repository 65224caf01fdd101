"""A family of small models as the official weights make it: segmenters, parcels, quality scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from contract_server import Beside, ContractServer, segment
from synthseg_common import contract
from synthseg_common.labels import SYNTHSEG_V1, SYNTHSEG_V2
from synthseg_common.parcels import PARCELS, QUALITY_GROUPS

SHOWN = (0, 2, 3, 42)
"""White matter, then left and right cortex, by brightness."""
SCORES = np.linspace(0.1, 0.8, 8).astype(np.float32)


def family() -> ContractServer:
    """A server of all of them, whose segmenters take bright voxels for cortex."""
    return ContractServer(
        table=SYNTHSEG_V2,
        shown=SHOWN,
        beside={
            contract.ROBUST_MODEL_NAME: Beside(
                SYNTHSEG_V2, {contract.FAST_CLEAN_UP: True, "mirrored": False}, _segmented
            ),
            contract.V1_MODEL_NAME: Beside(SYNTHSEG_V1, {}, _segmented_by_v1),
            contract.PARCELS_MODEL_NAME: Beside(
                PARCELS, {contract.ROLE: contract.PARCELLATOR}, divided
            ),
            contract.QUALITY_MODEL_NAME: Beside(
                QUALITY_GROUPS,
                {contract.ROLE: contract.SCORER},
                lambda _: {contract.SCORES: SCORES},
            ),
        },
    )


def divided(inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    """The first two parcels of each side, in front and behind; twice as much as there is."""
    clean = inputs[contract.CLEAN_LABELS]
    behind = np.arange(clean.shape[1])[None, :, None] < clean.shape[1] // 2
    parcels = np.select(
        [clean == 3, clean == 42],
        [np.where(behind, 1001, 1002), np.where(behind, 2001, 2002)],
        0,
    ).astype(np.uint16)
    voxels = 2.0 * np.array([(parcels == value).sum() for value in PARCELS.values])
    voxels[0] = 0
    return {contract.PARCELS: parcels, contract.PARCEL_VOXELS: voxels}


def _segmented(inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    return segment(inputs[contract.IMAGE], inputs[contract.MIN_SIZE], SYNTHSEG_V2, SHOWN)


def _segmented_by_v1(inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    return segment(inputs[contract.IMAGE], inputs[contract.MIN_SIZE], SYNTHSEG_V1, SHOWN)
