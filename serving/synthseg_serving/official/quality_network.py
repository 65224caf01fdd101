"""The regressor of quality scores, computed only where there is something to see.

Where a segmentation is background for some voxels around, a level's answer is that of an empty
cube, which depends on how far the faces of the cube are, and no more: a small one gives it. The
rest of the finest level, which holds nearly all memory, is computed in slabs along x. With a head
of 150 x 180 x 150 voxels in 224³ that took 41 s of processor time where all of it took 64 s, and
the answer was the same to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_trainer.aliases import Weights

from synthseg_serving.blocks import max_pool
from synthseg_serving.late_variables import LateVariables
from synthseg_serving.official.quality_weights import GROUPS, KERNEL, LEVELS, quality_shapes
from synthseg_serving.slabs import for_each_slab
from synthseg_serving.unet import affine_of
from synthseg_serving.variables import check_shapes

_RADIUS = KERNEL // 2
_REACH = 2 * _RADIUS
"""How far a level's two convolutions look."""
_OUTSIDE = -1
_SLAB = 32
"""Thickness at most; thin slabs repeat more rows."""
_EMPTY_EDGE = 32
"""Of the small cube: at both sparse levels its middle knows nothing of its faces."""
_SPARSE_LEVELS = 2
"""Deeper ones see something nearly everywhere."""


@dataclass(frozen=True)
class Box:
    """A part of a volume.

    Attributes:
        begin: First voxel, int32 `[3]`.
        end: The one after the last, int32 `[3]`.
    """

    begin: tf.Tensor
    end: tf.Tensor

    @classmethod
    def whole(cls, edge: tf.Tensor) -> Box:
        """All of a cube."""
        return cls(tf.zeros([3], tf.int32), tf.fill([3], edge))

    @classmethod
    def around(cls, held: tf.Tensor) -> Box:
        """What bool `[x, y, z]` holds; empty, at the origin, where that is nothing."""
        bounds = [extent(tf.reduce_any(held, axis=o)) for o in ((1, 2), (0, 2), (0, 1))]
        return cls(tf.stack([b for b, _ in bounds]), tf.stack([e for _, e in bounds]))

    def grown(self, edge: tf.Tensor) -> Box:
        """With all voxels of a cube that a level's answer may differ at, in blocks of 2³."""
        begin = tf.maximum(self.begin - _REACH, 0) // 2 * 2
        return Box(begin, tf.minimum((self.end + _REACH + 1) // 2 * 2, edge))

    def halved(self) -> Box:
        """The same after pooling."""
        return Box(self.begin // 2, self.end // 2)


class Regressor(LateVariables):
    """The released network."""

    def __init__(self, weights: Weights) -> None:
        """Takes the released weights.

        Args:
            weights: Arrays by the file's `<layer>/<variable>`.

        Raises:
            WeightsError: They are not the network's.
        """
        super().__init__("quality")
        check_shapes(weights, quality_shapes(), "model")
        for level in range(LEVELS):
            self._add_level(weights, level)
        for layer in ("qc_final_conv_0", "qc_final_conv_1"):
            self._add(layer, weights[f"{layer}/kernel"], weights[f"{layer}/bias"])

    def raw_scores(self, groups: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """What the network says of a cube of groups, float32 `[9]`, int32 `[n, n, n]` in."""
        edge, small = size, tf.minimum(size, _EMPTY_EDGE)
        volume, empty = groups, tf.zeros([small] * 3, tf.int32)
        box = Box.around(groups > 0)
        for level in range(_SPARSE_LEVELS):
            empty = self._level(empty, level, Box.whole(small))
            box = box.grown(edge)
            found = self._level(volume, level, box)
            edge, small, box = edge // 2, small // 2, box.halved()
            volume = _surrounded(found, box, empty, edge)
        for level in range(_SPARSE_LEVELS, LEVELS):
            volume = self._level(volume, level, Box.whole(edge))
            edge //= 2
        for layer in ("qc_final_conv_0", "qc_final_conv_1"):
            padded = tf.pad(volume, [[_RADIUS] * 2] * 3 + [[0, 0]])
            volume = tf.nn.relu(self._convolution(padded, layer))
        return tf.reduce_mean(volume, axis=[0, 1, 2])

    def _level(self, volume: tf.Tensor, level: int, box: Box) -> tf.Tensor:
        """A level's pooled answer in a box.

        Args:
            volume: A cube, int32 `[n, n, n]` for the finest level, float32 `[n, n, n, channel]`.
            level: 0 the finest.
            box: Where; with even bounds.
        """
        edge, length = tf.shape(volume)[:3], box.end - box.begin
        around = [[_REACH] * 2] * 3 + [[0, 0]] * (level > 0)
        padded = tf.pad(volume, around, constant_values=0 if level else _OUTSIDE)
        begin, size = box.begin, length + 2 * _REACH
        if level:
            begin, size = tf.concat([begin, [0]], 0), tf.concat([size, [-1]], 0)
        part = tf.slice(padded, begin, size)
        thickness = length[0] if level else _even_thickness(length[0])
        count = -(-length[0] // thickness)

        def body(index: tf.Tensor, found: tf.TensorArray) -> tuple[tf.TensorArray]:
            start = index * thickness
            end = tf.minimum(start + thickness, length[0])
            rows = part[start : end + 2 * _REACH]
            shown = rows if level else tf.one_hot(rows, GROUPS, dtype=tf.float32)
            first, expanded = self._both(shown, level)
            # Beyond the cube there are zeros for the second convolution, not what the first made.
            at = box.begin + tf.stack([start, 0, 0]) - _RADIUS
            first *= _inside(at, tf.shape(first)[:3], edge)
            inner = slice(_RADIUS, -_RADIUS)
            joined = self._joined(first, expanded[inner, inner, inner], level)
            return (found.write(index, joined),)

        (found,) = for_each_slab(
            count, body, (tf.TensorArray(tf.float32, count, infer_shape=False),)
        )
        features = self._values[f"level_{level}/scale"].shape[0]
        return tf.ensure_shape(found.concat(), [None, None, None, features])

    def _both(self, padded: tf.Tensor, level: int) -> tuple[tf.Tensor, tf.Tensor]:
        """A level's first convolution and its short cut, which read the same volume."""
        first, expanded = tf.split(
            tf.nn.relu(self._convolution(padded, f"level_{level}/both")), 2, axis=-1
        )
        return first, expanded

    def _joined(self, padded: tf.Tensor, expanded: tf.Tensor, level: int) -> tf.Tensor:
        """The second convolution with the short cut, normalised and pooled."""
        volume = tf.nn.relu(self._convolution(padded, f"level_{level}/second") + expanded)
        volume = volume * self._values[f"level_{level}/scale"]
        return max_pool(volume + self._values[f"level_{level}/offset"])

    def _convolution(self, padded: tf.Tensor, layer: str) -> tf.Tensor:
        kernel, bias = self._values[f"{layer}/kernel"], self._values[f"{layer}/bias"]
        found = tf.nn.conv3d(padded[tf.newaxis], kernel, [1] * 5, "VALID")
        return tf.squeeze(tf.nn.bias_add(found, bias), axis=0)

    def _add_level(self, weights: Weights, level: int) -> None:
        read = [f"qc_conv_downarm_{level}_0", f"qc_expand_down_merge_{level}"]
        self._add(
            f"level_{level}/both",
            np.concatenate([weights[f"{layer}/kernel"] for layer in read], axis=-1),
            np.concatenate([weights[f"{layer}/bias"] for layer in read]),
        )
        second = f"qc_conv_downarm_{level}_1"
        self._add(f"level_{level}/second", weights[f"{second}/kernel"], weights[f"{second}/bias"])
        scale, offset = affine_of(weights, f"qc_bn_down_{level}")
        self._variable(f"level_{level}/scale", scale)
        self._variable(f"level_{level}/offset", offset)

    def _add(self, layer: str, kernel: FloatArray, bias: FloatArray) -> None:
        self._variable(f"{layer}/kernel", kernel)
        self._variable(f"{layer}/bias", bias)


def extent(held: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """First index held and the one after the last, of bool `[n]`; 0 and 0 where none is."""
    where = tf.cast(tf.reshape(tf.where(held), [-1]), tf.int32)
    begin, end = tf.cond(
        tf.size(where) > 0,
        lambda: (tf.reduce_min(where), tf.reduce_max(where) + 1),
        lambda: (tf.zeros([], tf.int32), tf.zeros([], tf.int32)),
    )
    return begin, end


def _even_thickness(length: tf.Tensor) -> tf.Tensor:
    """Of slabs that are about equal."""
    slabs = 2 * -(-length // _SLAB)
    return 2 * -(-length // slabs)


def _inside(at: tf.Tensor, size: tf.Tensor, edge: tf.Tensor) -> tf.Tensor:
    """float32 `[x, y, z, 1]`: 1 where a part that begins at a voxel lies in the cube, else 0."""
    masks = []
    for axis in range(3):
        position = at[axis] + tf.range(size[axis])
        masks.append(tf.cast((position >= 0) & (position < edge[axis]), tf.float32))
    x, y, z = masks
    return tf.einsum("x,y,z->xyz", x, y, z)[..., tf.newaxis]


def _surrounded(found: tf.Tensor, box: Box, empty: tf.Tensor, edge: tf.Tensor) -> tf.Tensor:
    """A cube that is what was found in a box, and an empty one elsewhere.

    Args:
        found: float32, of the size of `box`, `[x, y, z, channel]`.
        box: Where it lies.
        empty: A small empty cube, whose middle knows nothing of its faces.
        edge: Of the cube.
    """
    half = tf.shape(empty)[0] // 2
    index = tf.range(edge)
    # As far from the nearer face, or in the middle.
    index = tf.where(
        index < half, index, tf.where(index >= edge - half, index - edge + 2 * half, half - 1)
    )
    for axis in range(3):
        empty = tf.gather(empty, index, axis=axis)
    padding = tf.concat([tf.stack([box.begin, edge - box.end], 1), [[0, 0]]], 0)
    here = _inside(-box.begin, tf.fill([3], edge), box.end - box.begin)
    return tf.where(here > 0, tf.pad(found, padding), empty)
