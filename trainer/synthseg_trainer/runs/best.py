"""The network of a run that did best on held-out scans; it outlives the rotation of checkpoints."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from synthseg_generator.settings.files import digest_settings

from synthseg_trainer.config import Validation
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import Bundle, load_bundle, save_bundle

BEST = "best.npz"
"""Its file in the folder of the run; exported like a checkpoint."""


def digest_of_scans(validation: Validation) -> str:
    """Names the scans that a run is scored on; scores on others say nothing beside these."""
    values = dataclasses.asdict(validation)
    del values["every_steps"]
    values["generator"] = digest_settings(validation.generator)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def keep_if_best(
    run: Path, bundle: Bundle, mean_dice: float, *, digest: str | None = None, **scores: object
) -> bool:
    """Keeps a network if it scores higher than the one kept so far.

    Args:
        run: Folder in which it is kept.
        bundle: The network.
        mean_dice: Its score; NaN is never the best.
        digest: Of the scans, see `digest_of_scans`: one kept for its score on others gives way.
            `None` where `run` holds scores on the same scans only.
        scores: What else to write beside the score, as JSON values.

    Returns:
        Whether it was kept.
    """
    path = run / BEST
    if not mean_dice > _kept_score(path, digest):
        return False
    named = {} if digest is None else {"scans_sha256": digest}
    validation = {"mean_dice": float(mean_dice), **named, **scores}
    save_bundle(path, dataclasses.replace(bundle, info={**bundle.info, "validation": validation}))
    return True


def _kept_score(path: Path, digest: str | None) -> float:
    """Score of the network in a file; less than any where there is none on these scans."""
    try:
        validation = load_bundle(path).info["validation"]
        if validation.get("scans_sha256") == digest:
            return float(validation["mean_dice"])
    except (CheckpointError, AttributeError, KeyError, TypeError, ValueError):
        pass
    return -1.0
