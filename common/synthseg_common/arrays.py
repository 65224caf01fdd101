"""Names for the types of arrays; importing it loads nothing heavier than NumPy."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

AnyArray: TypeAlias = NDArray[Any]
"""An array of any type: what a file or a server holds before it was looked at."""
BoolArray: TypeAlias = NDArray[np.bool_]
"""Which of the entries."""
UInt8Array: TypeAlias = NDArray[np.uint8]
Int32Array: TypeAlias = NDArray[np.int32]
"""Labels in memory, and channels."""
Int64Array: TypeAlias = NDArray[np.int64]
"""Indices."""
Float32Array: TypeAlias = NDArray[np.float32]
"""Intensities and probabilities."""
Float64Array: TypeAlias = NDArray[np.float64]
"""Affines `[4, 4]`, positions and sums."""
AnyDType: TypeAlias = np.dtype[Any]
"""A type that is known when the program runs."""
