"""The ground floor: what several parts share. It imports nothing of theirs, and nothing heavy.

Names are loaded when first used: importing this package loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import synthseg_common.exports as _exports

if TYPE_CHECKING:
    from synthseg_common.colours import colour_of as colour_of
    from synthseg_common.colours import label_colours as label_colours
    from synthseg_common.colours import paint_labels as paint_labels
    from synthseg_common.errors import ImageError as ImageError
    from synthseg_common.errors import LabelTableError as LabelTableError
    from synthseg_common.errors import OutputError as OutputError
    from synthseg_common.errors import SynthSegError as SynthSegError
    from synthseg_common.labels import CONTRAST_SPECIFIC_CLASSES as CONTRAST_SPECIFIC_CLASSES
    from synthseg_common.labels import GENERATION_V1 as GENERATION_V1
    from synthseg_common.labels import GENERATION_V2 as GENERATION_V2
    from synthseg_common.labels import SYNTHSEG_V1 as SYNTHSEG_V1
    from synthseg_common.labels import SYNTHSEG_V2 as SYNTHSEG_V2
    from synthseg_common.labels import GenerationLabels as GenerationLabels
    from synthseg_common.labels import SegmentationLabels as SegmentationLabels
    from synthseg_common.telemetry.privacy import ScanIds as ScanIds

_HOMES = {
    "CONTRAST_SPECIFIC_CLASSES": "synthseg_common.labels",
    "GENERATION_V1": "synthseg_common.labels",
    "GENERATION_V2": "synthseg_common.labels",
    "GenerationLabels": "synthseg_common.labels",
    "ImageError": "synthseg_common.errors",
    "LabelTableError": "synthseg_common.errors",
    "OutputError": "synthseg_common.errors",
    "SYNTHSEG_V1": "synthseg_common.labels",
    "SYNTHSEG_V2": "synthseg_common.labels",
    "ScanIds": "synthseg_common.telemetry.privacy",
    "SegmentationLabels": "synthseg_common.labels",
    "SynthSegError": "synthseg_common.errors",
    "colour_of": "synthseg_common.colours",
    "label_colours": "synthseg_common.colours",
    "paint_labels": "synthseg_common.colours",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Loads a public name from its module when it is first used."""
    return _exports.load_export(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
