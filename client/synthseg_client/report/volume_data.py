"""A small scan and its labels for the viewer in 3-D, in a script.

Pages that are opened from a disk may load scripts and pictures, but no other files.
"""

from __future__ import annotations

import json

import numpy as np
from synthseg_common.arrays import AnyArray
from synthseg_common.colours import colour_of

from synthseg_client.pictures.display import Display, Volume, as_grey
from synthseg_client.report.encoding import as_base64, as_webp, mosaic

SCAN_STEP_MM = 2.0
LABEL_STEP_MM = 1.5
_SCAN_QUALITY = 50
_MOST_LABELS = 256
CALL = "synthsegVolume"
"""Name of the function that takes the data."""


def volume_script(
    name: str,
    scan: Volume | None,
    labels: Volume,
    display: Display,
    names: dict[int, str],
    grey: tuple[float, float],
) -> str | None:
    """A script that gives the viewer a scan and its labels.

    Args:
        name: What the scan is called.
        scan: Intensities, or None.
        labels: Integers.
        display: What is shown.
        names: Of the labels by value.
        grey: Intensities that are black and white.

    Returns:
        The script; None where there are more labels than a picture of grey pixels can hold.
    """
    values = [0, *(int(v) for v in np.unique(labels.values) if v != 0)]
    if len(values) > _MOST_LABELS:
        return None
    told: dict[str, object] = {
        "name": name,
        "labels": _drawn(_indices(labels, display, values), display, LABEL_STEP_MM, quality=None),
        "table": [[names.get(v, f"label {v}"), *colour_of(v)] for v in values],
    }
    if scan is not None:
        image = as_grey(display.volume(scan, SCAN_STEP_MM, order=1), *grey)
        told["scan"] = _drawn(image, display, SCAN_STEP_MM, quality=_SCAN_QUALITY)
    return f"{CALL}({_in_script(told)});\n"


def _indices(labels: Volume, display: Display, values: list[int]) -> AnyArray:
    sampled = display.volume(labels, LABEL_STEP_MM, order=0).astype(np.int32)
    return np.searchsorted(values, sampled).astype(np.uint8)


def _drawn(
    volume: AnyArray, display: Display, step_mm: float, quality: int | None
) -> dict[str, object]:
    picture, columns = mosaic(volume)
    return {
        "shape": list(volume.shape),
        "affine": np.round(display.affine(step_mm), 4).tolist(),
        "columns": columns,
        "picture": as_base64(as_webp(picture, quality=quality)),
    }


def _in_script(told: object) -> str:
    """JSON that ends no script, wherever it is put."""
    return json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
