"""Names for the types of arrays; importing it loads nothing heavier than NumPy.

Axes and units stand in the docstrings of whoever takes or returns an array: NumPy's types know
none. What a part's arrays hold beyond this, it names itself.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

AnyArray: TypeAlias = NDArray[Any]
"""An array of any type: what a file or a server holds before it was looked at."""
BoolArray: TypeAlias = NDArray[np.bool_]
"""Which of the entries."""
UInt8Array: TypeAlias = NDArray[np.uint8]
"""Bytes and colours."""
IntegerArray: TypeAlias = NDArray[np.integer[Any]]
"""Whole numbers of any width."""
Int32Array: TypeAlias = NDArray[np.int32]
"""Labels in memory, channels, shapes and voxel indices."""
Int64Array: TypeAlias = NDArray[np.int64]
"""Indices."""
FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Intensities, probabilities, scores, weights of any precision."""
Float32Array: TypeAlias = NDArray[np.float32]
"""Intensities, probabilities, noise, fields: what networks and graphs compute with."""
Float64Array: TypeAlias = NDArray[np.float64]
"""Affines `[4, 4]`, positions, sums, and what is drawn or estimated."""
AnyDType: TypeAlias = np.dtype[Any]
"""A type that is known when the program runs."""
Number = TypeVar("Number", bound=np.generic)
"""Whatever the numbers of an array are, where they are the same on the way out."""
