"""Shapes of the variables of the regressor of quality scores. Imports nothing heavy."""

from __future__ import annotations

from synthseg_common.parcels import QUALITY_GROUPS

from synthseg_serving.variables import BATCH_NORM

LEVELS = 4
FEATURES = 24
KERNEL = 5
GROUPS = len(QUALITY_GROUPS)


def quality_shapes() -> dict[str, tuple[int, ...]]:
    """By `<layer>/<variable>`, as the original names them."""
    shapes: dict[str, tuple[int, ...]] = {}
    arriving = GROUPS
    for level in range(LEVELS):
        features = FEATURES * 2**level
        _add(shapes, f"qc_conv_downarm_{level}_0", arriving, features)
        _add(shapes, f"qc_expand_down_merge_{level}", arriving, features)
        _add(shapes, f"qc_conv_downarm_{level}_1", features, features)
        shapes.update({f"qc_bn_down_{level}/{name}": (features,) for name in BATCH_NORM})
        arriving = features
    _add(shapes, "qc_final_conv_0", arriving, GROUPS)
    _add(shapes, "qc_final_conv_1", GROUPS, GROUPS)
    return shapes


def _add(shapes: dict[str, tuple[int, ...]], layer: str, arriving: int, features: int) -> None:
    shapes[f"{layer}/kernel"] = (KERNEL, KERNEL, KERNEL, arriving, features)
    shapes[f"{layer}/bias"] = (features,)
