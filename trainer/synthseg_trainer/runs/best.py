"""The network of a run that did best on held-out scans; it outlives the rotation of checkpoints."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import Bundle, load_bundle, save_bundle

BEST = "best.npz"
"""Its file in the folder of the run; exported like a checkpoint."""


def keep_if_best(run: Path, bundle: Bundle, mean_dice: float, **scores: Any) -> bool:
    """Keeps a network if it scores higher than the one kept so far.

    Args:
        run: Folder in which it is kept.
        bundle: The network.
        mean_dice: Its score; NaN is never the best.
        scores: What else to write beside the score, as JSON values.

    Returns:
        Whether it was kept.
    """
    path = run / BEST
    if not mean_dice > _kept_score(path):
        return False
    validation = {"mean_dice": float(mean_dice), **scores}
    save_bundle(path, dataclasses.replace(bundle, info={**bundle.info, "validation": validation}))
    return True


def _kept_score(path: Path) -> float:
    """Score of the network in a file; less than any where there is none."""
    try:
        return float(load_bundle(path).info["validation"]["mean_dice"])
    except (CheckpointError, KeyError, TypeError, ValueError):
        return -1.0
