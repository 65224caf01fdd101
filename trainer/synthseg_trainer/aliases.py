"""Names for what arrays, tensors and JSON values hold. Imports nothing heavy.

Types of arrays by their numbers are in `synthseg_common.arrays`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from synthseg_common.arrays import FloatArray, IntegerArray, UInt8Array

if TYPE_CHECKING:
    import tensorflow as tf

LabelArray: TypeAlias = IntegerArray
"""Label values, or channels of a network."""
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
