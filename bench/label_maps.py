"""Label maps for benchmarks of the generator: the original's where they are, else blobs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.ingest import ingest

EDGE, BLOB = 256, 16
SHARED = Path(os.environ.get("SYNTHSEG_SHARED_DATA", "../shared/data")) / "label_maps"


def write_label_maps(folder: Path, count: int) -> Path:
    """Fills a folder with maps of 256³ at 1 mm; returns it."""
    files = sorted(SHARED.glob("*.nii.gz"))[:count]
    folder.mkdir()
    for file in files:
        (folder / file.name).symlink_to(file.resolve())
    rng = np.random.default_rng(0)
    for i in range(count - len(files)):
        blobs = rng.choice(LABEL_TABLES["v2"].labels.values, (EDGE // BLOB,) * 3).astype(np.int16)
        volume = np.kron(blobs, np.ones((BLOB,) * 3, np.int16))
        nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / f"blobs{i}.nii.gz")
    return folder


@contextmanager
def label_map_store(count: int) -> Iterator[Path]:
    """A store of such maps, for as long as the context is open."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_label_maps(Path(temporary) / "maps", count)
        store = Path(temporary) / "store.zarr"
        ingest(folder, store, LABEL_TABLES["v2"])
        yield store
