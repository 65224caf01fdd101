"""Volumes that exist as slabs along x, so that no copy of the whole is ever made."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


class Slabs:
    """A volume `[x, y, z, channel]` in slabs of equal thickness, with zeros beyond both ends."""

    def __init__(self, array: tf.TensorArray, count: tf.Tensor, channels: int) -> None:
        """Takes an array of `count + 2` slabs, the first and the last zero; see `empty`."""
        self.array = array
        self.count = count
        self.channels = channels

    @classmethod
    def empty(
        cls, count: tf.Tensor, edge: tf.Tensor, channels: int, dtype: tf.DType = tf.float32
    ) -> Slabs:
        """Prepares slabs that are written later.

        Args:
            count: Number of slabs, int32 scalar.
            edge: Shape of the zeros beyond the ends, int32 `[4]`: as many rows as anybody reads
                there.
            channels: Channels, the last of `edge`.
            dtype: Type of the values.
        """
        zeros = tf.zeros(edge, dtype)
        array = tf.TensorArray(dtype, count + 2, infer_shape=False, clear_after_read=False)
        return cls(array.write(0, zeros).write(count + 1, zeros), count, channels)

    def write(self, index: tf.Tensor, slab: tf.Tensor) -> Slabs:
        """The same slabs with one more written."""
        return Slabs(self.array.write(index + 1, slab), self.count, self.channels)

    def read(self, index: tf.Tensor, margin: int) -> tf.Tensor:
        """A slab with `margin` rows of its neighbours on either side."""
        if margin == 0:
            rows = self.array.read(index + 1)
        else:
            before, after = self.array.read(index), self.array.read(index + 2)
            first = tf.shape(before)[0] - margin
            rows = tf.concat([before[first:], self.array.read(index + 1), after[:margin]], 0)
        return tf.ensure_shape(rows, [None, None, None, self.channels])


def for_each_slab(
    count: tf.Tensor,
    body: Callable[..., tuple[tf.TensorArray, ...]],
    arrays: tuple[tf.TensorArray, ...],
) -> tuple[tf.TensorArray, ...]:
    """Runs `body(index, *arrays)` slab by slab, one at a time, so that memory holds one."""
    _, *arrays = tf.while_loop(
        lambda index, *_: index < count,
        lambda index, *held: (index + 1, *body(index, *held)),
        (tf.constant(0), *arrays),
        parallel_iterations=1,
    )
    return tuple(arrays)


def keep_inside(rows: tf.Tensor, first: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Sets rows outside the volume to zero, as zero padding would have them.

    Args:
        rows: float32 `[n, y, z, channel]`.
        first: Position of the first row in the volume, int32 scalar.
        size: Rows of the volume, int32 scalar.
    """
    count = tf.shape(rows)[0]
    before = tf.maximum(-first, 0)
    after = tf.maximum(first + count - size, 0)
    padding = [[before, after], [0, 0], [0, 0], [0, 0]]
    return tf.cond(
        before + after > 0,
        lambda: tf.ensure_shape(tf.pad(rows[before : count - after], padding), rows.shape),
        lambda: rows,
    )
