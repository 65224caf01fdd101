"""Cortical parcels and quality groups of SynthSeg 2.0. Importing this loads nothing heavy.

Parcels are those of Desikan et al. 2006 (doi:10.1016/j.neuroimage.2006.01.021) under FreeSurfer's
names and values; groups are those of the released network of quality scores (Billot et al. 2023,
doi:10.1073/pnas.2216399120).
"""

from __future__ import annotations

from synthseg_common.labels import BACKGROUND, SYNTHSEG_V1, SYNTHSEG_V2, SegmentationLabels

LEFT_CORTEX, RIGHT_CORTEX = 3, 42
"""Label values of the cortex that parcels divide."""
_LEFT_FIRST, _RIGHT_FIRST = 1000, 2000
# FreeSurfer's number 4, the corpus callosum, is no cortex.
_REGIONS = {
    number: name
    for number, name in enumerate(
        (
            *("", "bankssts", "caudalanteriorcingulate", "caudalmiddlefrontal", "", "cuneus"),
            *("entorhinal", "fusiform", "inferiorparietal", "inferiortemporal"),
            *("isthmuscingulate", "lateraloccipital", "lateralorbitofrontal", "lingual"),
            *("medialorbitofrontal", "middletemporal", "parahippocampal", "paracentral"),
            *("parsopercularis", "parsorbitalis", "parstriangularis", "pericalcarine"),
            *("postcentral", "posteriorcingulate", "precentral", "precuneus"),
            *("rostralanteriorcingulate", "rostralmiddlefrontal", "superiorfrontal"),
            *("superiorparietal", "superiortemporal", "supramarginal", "frontalpole"),
            *("temporalpole", "transversetemporal", "insula"),
        )
    )
    if name
}
PARCELS_PER_SIDE = len(_REGIONS)

PARCELS = SegmentationLabels(
    values=(
        BACKGROUND,
        *(_LEFT_FIRST + number for number in _REGIONS),
        *(_RIGHT_FIRST + number for number in _REGIONS),
    ),
    names=(
        "background",
        *(f"ctx-lh-{name}" for name in _REGIONS.values()),
        *(f"ctx-rh-{name}" for name in _REGIONS.values()),
    ),
    topology_classes=(0,) * (1 + 2 * PARCELS_PER_SIDE),
    flip_channels=(
        0,
        *range(1 + PARCELS_PER_SIDE, 1 + 2 * PARCELS_PER_SIDE),
        *range(1, 1 + PARCELS_PER_SIDE),
    ),
)
"""Channels of the parcellation: background, 34 left parcels, their right partners."""

QUALITY_GROUPS = SegmentationLabels(
    values=tuple(range(9)),
    names=(
        "background",
        "general white matter",
        "general grey matter",
        "general csf",
        "cerebellum",
        "brainstem",
        "thalamus",
        "putamen+pallidum",
        "hippocampus+amygdala",
    ),
    topology_classes=(0,) * 9,
    flip_channels=tuple(range(9)),
)
"""Channels of the quality network: background, and the groups that get a score."""
_GROUP_OF_LEFT = {
    **dict.fromkeys((2, 11, 26, 28), 1),
    3: 2,
    **dict.fromkeys((4, 5), 3),
    **dict.fromkeys((7, 8), 4),
    10: 6,
    **dict.fromkeys((12, 13), 7),
    **dict.fromkeys((17, 18), 8),
}
_PARTNER = {
    SYNTHSEG_V2.values[i]: SYNTHSEG_V2.values[j] for i, j in enumerate(SYNTHSEG_V2.flip_channels)
}
GROUP_OF_LABEL: dict[int, int] = {
    **dict.fromkeys((BACKGROUND, 24), 0),
    **dict.fromkeys((14, 15), 3),
    16: 5,
    **_GROUP_OF_LEFT,
    **{_PARTNER[value]: group for value, group in _GROUP_OF_LEFT.items()},
}
"""Group of every label of SynthSeg 1.0 and 2.0; label 24, CSF, has none."""


def is_released_table(values: tuple[int, ...]) -> bool:
    """Whether label values are those of SynthSeg 1.0 or 2.0, which parcels and quality need."""
    return values in (SYNTHSEG_V1.values, SYNTHSEG_V2.values)
