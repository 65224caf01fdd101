"""Names for the types of arrays, tensors and JSON values. Imports nothing heavy.

An array's shape and unit stand in the docstring of whoever takes or returns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from synthseg_common.arrays import AnyArray, BoolArray, UInt8Array

if TYPE_CHECKING:
    import tensorflow as tf

Array: TypeAlias = AnyArray
"""Of any type: what a file or a graph holds."""
FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Intensities, probabilities, scores, weights, affines."""
LabelArray: TypeAlias = NDArray[np.integer[Any]]
"""Label values, or channels of a network."""
MaskArray: TypeAlias = BoolArray
"""Which voxels."""
Picture: TypeAlias = UInt8Array
"""`[height, width, 3]`, red, green, blue."""

Weights: TypeAlias = Mapping[str, FloatArray]
"""Arrays of a network by `<layer>/<variable>`."""

# TensorFlow carries no types of its own, so type checkers take this for anything; readers do not.
Tensor: TypeAlias = "tf.Tensor"
Batch: TypeAlias = Mapping[str, Tensor]
"""Elements of a source of samples by name; `row` is a mapping of tensors again."""

Json: TypeAlias = Any
"""A value as JSON has it, however deep; checked where it is read."""
JsonObject: TypeAlias = Mapping[str, Json]
"""What JSON holds between braces."""
