"""What tutorials on generation share: a label store of your maps, or of three invented heads."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# Twice as fast on many CPUs; TensorFlow reads it once.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import nibabel as nib
import numpy as np
from synthseg_generator import LabelStore, ingest, open_store, read_label_table

EDGE = 96
INVENTED_CROP, CROP = 64, 160
# Label, centre and radius along right, front, top of a head from -1 to 1; later ones lie on top.
STRUCTURES = (
    (516, (0, 0, 0), (0.85, 0.95, 0.95)),  # all around the brain
    (24, (0, 0, 0.1), (0.75, 0.85, 0.8)),  # fluid
    (3, (-0.36, 0, 0.1), (0.34, 0.75, 0.65)),  # cortex
    (2, (-0.33, 0, 0.1), (0.25, 0.58, 0.48)),  # white matter
    (4, (-0.13, 0.08, 0.22), (0.09, 0.27, 0.14)),  # ventricle
    (10, (-0.16, -0.05, 0), (0.1, 0.16, 0.12)),  # thalamus
    (12, (-0.33, 0.16, 0), (0.08, 0.18, 0.12)),  # putamen
    (17, (-0.4, -0.12, -0.22), (0.08, 0.18, 0.08)),  # hippocampus
    (8, (-0.26, -0.5, -0.45), (0.25, 0.26, 0.22)),  # cerebellum
    (16, (0, -0.2, -0.45), (0.14, 0.14, 0.3)),  # brain-stem
)
RIGHT_OF = {3: 42, 2: 41, 4: 43, 10: 49, 12: 51, 17: 53, 8: 47}


def parse(number: int, description: str) -> argparse.Namespace:
    """The options that the tutorials have in common."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--label-maps", type=Path, help="folder of label maps with 2.0's labels")
    parser.add_argument("--output", type=Path, default=Path(f"tutorial_{number}"))
    parser.add_argument("--crop", type=int, help="edge of the samples in voxels")
    options, _ = parser.parse_known_args()  # a notebook has arguments of its own
    options.crop = options.crop or (CROP if options.label_maps else INVENTED_CROP)
    options.output.mkdir(parents=True, exist_ok=True)
    return options


def label_store(options: argparse.Namespace) -> LabelStore:
    """The store of the label maps that the options name, or of invented ones."""
    folder = options.label_maps or invented_heads(options.output / "label_maps")
    path = options.output / "labels.zarr"
    ingest(folder, path, read_label_table("v2"))
    return open_store(path)


def invented_heads(folder: Path) -> Path:
    """Writes three heads that differ in size; returns the folder."""
    folder.mkdir(exist_ok=True)
    for number, size in enumerate((1.0, 0.95, 0.9)):
        path = folder / f"head_{number}.nii.gz"
        if not path.exists():  # a store holds to the content of the files that it was made of
            nib.save(nib.Nifti1Image(invented_head(size), np.eye(4)), path)
    return folder


def invented_head(size: float) -> np.ndarray:
    """A head of ellipsoids with FreeSurfer's labels: int16 `[96, 96, 96]`."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, EDGE)] * 3, indexing="ij")) / size
    labels = np.zeros((EDGE,) * 3, np.int16)
    for value, (x, y, z), radius in STRUCTURES:
        for label, side in ((value, x), (RIGHT_OF.get(value, value), -x)):
            terms = zip(grid, (side, y, z), radius, strict=True)
            labels[sum(((g - c) / r) ** 2 for g, c, r in terms) <= 1] = label
    return labels
