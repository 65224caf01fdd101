"""NIfTI, MGH and Analyze files: what they hold, where it lies, and what is wrong with them.

    header = read_header(path)      # shape, type, placement; notes on what was odd and mended
    values = read_values(header)    # the voxels, read to the end of the file

What each header field is used for, and what its bad values lead to, is listed in docs/headers.md.
"""

from __future__ import annotations

from synthseg_common.images.header import ImageHeader
from synthseg_common.images.placement import (
    Placement,
    differ_mm,
    is_usable,
    refuse_voxel_sizes,
    voxel_sizes_mm,
)
from synthseg_common.images.reading import read_header, read_values
from synthseg_common.images.streams import refuse_unreadable
from synthseg_common.images.values import as_float32

__all__ = [
    "ImageHeader",
    "Placement",
    "as_float32",
    "differ_mm",
    "is_usable",
    "read_header",
    "read_values",
    "refuse_unreadable",
    "refuse_voxel_sizes",
    "voxel_sizes_mm",
]
