"""Scans beside their label maps in a store, and settings that leave them nearly as they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from nifti_files import save_volume
from synthseg_common.arrays import AnyArray
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.scans.stored_scans import add_scans
from synthseg_generator.settings.generator import Uniform
from synthseg_generator.settings.scans import ScanNoise
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import LabelStore, open_store

SILENT = ScanNoise(std=Uniform(0, 0))
PLAIN = {
    "crop": {"shape": [24, 24, 24], "placement": "centred", "jitter": 3},
    "bias_field": {"strength": [0, 0]},
    "gamma_std": 0,
    "acquisition": {"native_probability": 1},
}


def store_pairs(folder: Path, pairs: Iterable[tuple[str, AnyArray, AnyArray]]) -> LabelStore:
    """A store of label maps with a scan of each.

    Args:
        folder: Where files and store go.
        pairs: Name, label map and scan `[x, y, z]`.
    """
    for name, labels, scan in pairs:
        save_volume(folder / "maps" / f"{name}.nii.gz", labels)
        save_volume(folder / "scans" / f"{name}.nii.gz", scan, dtype=np.float32)
    ingest(folder / "maps", folder / "s.zarr", LABEL_TABLES["v2"])
    store = open_store(folder / "s.zarr")
    add_scans(folder / "scans", store)
    return store
