"""NIfTI, MGH and Analyze files: what they hold, where it lies, and what is wrong with them.

    header = read_header(path)      # shape, type, placement; notes on what was odd and mended
    values = read_values(header)    # the voxels, read to the end of the file

What each header field is used for, and what its bad values lead to, is listed in
docs/reference/headers.md.
"""

from __future__ import annotations

from synthseg_common.images.folders import ENDINGS, volume_files, without_ending
from synthseg_common.images.header import ImageHeader
from synthseg_common.images.orientation import axes_in_ras, to_ras
from synthseg_common.images.placement import (
    Placement,
    differ_mm,
    is_usable,
    refuse_voxel_sizes,
    voxel_sizes_mm,
)
from synthseg_common.images.reading import read_header, read_values, read_volumes, tell_notes
from synthseg_common.images.streams import refuse_unreadable
from synthseg_common.images.values import as_float32

__all__ = [
    "ENDINGS",
    "ImageHeader",
    "Placement",
    "as_float32",
    "axes_in_ras",
    "differ_mm",
    "is_usable",
    "read_header",
    "read_values",
    "read_volumes",
    "refuse_unreadable",
    "refuse_voxel_sizes",
    "tell_notes",
    "to_ras",
    "volume_files",
    "voxel_sizes_mm",
    "without_ending",
]
