"""Whether a result can be true, before anything of it is written."""

from __future__ import annotations

import numpy as np

from synthseg_client.errors import ResultError
from synthseg_client.results.volume_table import TOTAL
from synthseg_client.segmentation.result import Segmentation

# Brains of newborns have about 300 cm³, the largest on record about 2900 cm³.
SMALLEST_BRAIN_CM3 = 250.0
LARGEST_BRAIN_CM3 = 3000.0


def check_result(result: Segmentation) -> list[str]:
    """Looks a result over.

    Returns:
        What is odd about it, for the user to know.

    Raises:
        ResultError: It cannot be right: no structure at all, labels that the model does not have,
            another grid than promised, volumes that are no numbers.
    """
    if result.labels.shape != tuple(result.grid.shape):
        raise ResultError(
            f"labels have shape {result.labels.shape}, expected {tuple(result.grid.shape)}."
        )
    found = np.flatnonzero(np.bincount(result.labels.ravel()))
    unknown = set(found.tolist()) - set(result.label_table.values)
    if unknown:
        raise ResultError(f"labels {sorted(unknown)} are not in the table of {result.model.title}.")
    if not all(np.isfinite(v) and v >= 0 for v in result.volumes.values()):
        raise ResultError("volumes are not all finite and positive.")
    if not result.labels.any():
        raise ResultError(
            "nothing was found: every label is background. "
            f"Does the scan show {'a head' if result.model.is_brain else 'what the model knows'}?"
        )
    if not result.model.is_brain:
        return []
    brain_cm3 = _brain_cm3(result)
    if not SMALLEST_BRAIN_CM3 <= brain_cm3 <= LARGEST_BRAIN_CM3:
        return [
            f"{brain_cm3:.0f} cm³ were labelled, which is no plausible brain: look at the result"
        ]
    return []


def _brain_cm3(result: Segmentation) -> float:
    if result.model.has_csf:
        return result.volumes[TOTAL] / 1000
    return sum(result.volumes[name] for name in result.model.label_names[1:]) / 1000
