"""Arrays by what they hold; types by their numbers are in `synthseg_common.arrays`."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from synthseg_common.arrays import Float64Array, Int32Array

AffineMatrix: TypeAlias = Float64Array
"""`[4, 4]`, voxel indices to RAS mm."""
LabelValues: TypeAlias = Int32Array
"""Label values as files and networks know them."""
LabelIds: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""Indices into a label table, in the smallest type that holds them."""
ScanValues: TypeAlias = NDArray[np.uint16]
"""Intensities of a stored scan between its percentiles."""
Row: TypeAlias = dict[str, Any]
"""Parameters of a sample by name: arrays, and NumPy's scalars; see `SampleParameters.to_row`."""
