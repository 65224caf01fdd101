"""Checks of a request inside a graph, in words that its caller understands; servers make none."""

from __future__ import annotations

import tensorflow as tf
from synthseg_common import contract


def require(condition: tf.Tensor, message: str, found: tf.Tensor) -> tf.Operation:
    """An operation that fails with a message and what was found, unless a condition holds."""
    return tf.debugging.Assert(condition, [message, found], summarize=4)


def scalar(value: tf.Tensor, name: str) -> tf.Tensor:
    """A tensor of one element as a scalar; any other is an error."""
    check = require(
        tf.equal(tf.size(value), 1), f"{name} must be a scalar; its shape is", tf.shape(value)
    )
    with tf.control_dependencies([check]):
        return tf.reshape(value, [])


def first_sizes(tensor: tf.Tensor, rank: int) -> tf.Tensor:
    """The first `rank` sizes of a tensor of any rank, 1 where it has fewer axes."""
    sizes = tf.concat([tf.shape(tensor), tf.ones([rank], tf.int32)], 0)[:rank]
    return tf.ensure_shape(sizes, [rank])


def checked_volume(volume: tf.Tensor, name: str) -> tf.Tensor:
    """A volume of three axes that holds voxels."""
    check = require(
        tf.equal(tf.rank(volume), 3) & (tf.size(volume) > 0),
        f"{name} must have 3 axes, x y z, and voxels; its shape is",
        tf.shape(volume),
    )
    # Not ensure_shape: the graph optimiser takes its promise for a fact and drops the check above.
    with tf.control_dependencies([check]):
        return tf.reshape(volume, first_sizes(volume, 3))


def checked_image(image: tf.Tensor) -> tf.Tensor:
    """An image whose voxels are all finite."""
    return finite(checked_volume(image, "image"))


def finite(image: tf.Tensor) -> tf.Tensor:
    """The image, or an error if a voxel is no number."""
    check = require(
        tf.reduce_all(tf.math.is_finite(image)),
        "every voxel of image must be finite; voxels that are not:",
        tf.math.count_nonzero(~tf.math.is_finite(image)),
    )
    with tf.control_dependencies([check]):
        return tf.identity(image)


def at_network_grid(labels: tf.Tensor, shape: tf.Tensor, max_voxels: int) -> tf.Tensor:
    """Labels of a network grid that holds an image and is no larger than the model takes.

    Args:
        labels: Of any shape.
        shape: Of the image, int32 `[3]`.
        max_voxels: As in `model_info`.
    """
    labels = checked_volume(labels, "network_labels")
    grid = tf.shape(labels)
    counted = tf.cast(tf.maximum(grid, [contract.LEAST_COUNTED_X, 1, 1]), tf.int64)
    checks = [
        require(
            # Not `==`, which compares tensors of a plain graph by their identity.
            tf.reduce_all(tf.equal(grid % contract.SIZE_MULTIPLE, 0))
            & tf.reduce_all(grid >= shape),
            f"network_labels must cover the image in multiples of {contract.SIZE_MULTIPLE} voxels, "
            "its shape is",
            grid,
        ),
        require(
            tf.reduce_prod(counted) <= max_voxels,
            f"the network grid may have {max_voxels} voxels at most (counted as "
            f"{contract.LEAST_COUNTED_X} along x at least), network_labels have",
            grid,
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(labels)
