"""Arrays by what they hold; their axes stand in the docstrings, since NumPy's types know none."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""Intensities, noise, fields: what the graph computes with."""
Doubles = NDArray[np.float64]
"""What is drawn or estimated before it goes to the graph."""
AffineMatrix = NDArray[np.float64]
"""`[4, 4]`, voxel indices to RAS mm."""
Int32s = NDArray[np.int32]
"""Voxel indices, shapes, keys."""
LabelValues = NDArray[np.int32]
"""Label values as files and networks know them."""
LabelIds = NDArray[np.unsignedinteger[Any]]
"""Indices into a label table, in the smallest type that holds them."""
ScanValues = NDArray[np.uint16]
"""Intensities of a stored scan between its percentiles."""
Integers = NDArray[np.integer[Any]]
"""Whole numbers of any width."""
Number = TypeVar("Number", bound=np.generic)
"""Whatever the numbers of an array are, where they are the same on the way out."""
AnyArray = NDArray[Any]
"""Arrays whose numbers a caller chooses."""
Row = dict[str, Any]
"""Parameters of a sample by name: arrays, and NumPy's scalars; see `SampleParameters.to_row`."""
