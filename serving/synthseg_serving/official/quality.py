"""Quality scores: a regressor that predicts, from a segmentation alone, how good it is.

Billot et al. 2023, doi:10.1073/pnas.2216399120. Its finest level, which is nearly all of its memory
and most of its operations, is computed in slabs along x.
"""

from __future__ import annotations

import json

import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.arrays import FloatArray
from synthseg_common.parcels import GROUP_OF_LABEL, QUALITY_GROUPS
from synthseg_trainer.aliases import Weights

from synthseg_serving.blocks import max_pool
from synthseg_serving.checks import checked_volume, require, scalar
from synthseg_serving.graph import Input, Signature
from synthseg_serving.inference import described
from synthseg_serving.late_variables import LateVariables
from synthseg_serving.official.quality_weights import (
    FEATURES,
    GROUPS,
    KERNEL,
    LEVELS,
    quality_shapes,
)
from synthseg_serving.slabs import for_each_slab, keep_inside
from synthseg_serving.unet import affine_of
from synthseg_serving.variables import check_shapes

CSF = 24
_RADIUS = KERNEL // 2
_OUTSIDE = -1
_UNKNOWN = 255
# Slabs of 32 rows, or of 16 where 32 do not fit: wide ones repeat fewer rows.
_SLAB = 2 * contract.SCORED_SIZE_MULTIPLE


class Scorer(LateVariables):
    """The released regressor with everything around it."""

    def __init__(self, weights: Weights, info: dict[str, object]) -> None:
        """Takes the released weights.

        Args:
            weights: Arrays by the file's `<layer>/<variable>`.
            info: What `describe` answers as `model_info`.

        Raises:
            WeightsError: They are not the network's.
        """
        super().__init__("quality")
        check_shapes(weights, quality_shapes(), "model")
        self.info = json.dumps(info)
        most = int(str(info.get(contract.MAX_VOXELS, contract.DEFAULT_MAX_VOXELS)))
        self.largest_size = largest_scored_size(most)
        for level in range(LEVELS):
            self._add_level(weights, level)
        for layer in ("qc_final_conv_0", "qc_final_conv_1"):
            self._add(layer, weights[f"{layer}/kernel"], weights[f"{layer}/bias"])

    def signatures(self) -> dict[str, Signature]:
        """What the model is asked."""
        size = np.array(contract.DEFAULT_SCORED_SIZE, np.int32)
        inputs = (
            Input(contract.NETWORK_LABELS, tf.uint8, (None, None, None)),
            Input(contract.SCORED_SIZE, tf.int32, (), size),
            Input(contract.UNFRAMED_LABEL, tf.int32, (), np.array(CSF, np.int32)),
        )
        return {
            contract.SEGMENT_SIGNATURE: Signature(inputs, self.score),
            contract.DESCRIBE_SIGNATURE: Signature(
                (), lambda: described(QUALITY_GROUPS, self.info)
            ),
        }

    def score(
        self, network_labels: tf.Tensor, scored_size: tf.Tensor, unframed_label: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Scores one segmentation; see `contract` for request and answer."""
        size = self._checked_size(scalar(scored_size, contract.SCORED_SIZE))
        labels = tf.cast(checked_volume(network_labels, "network_labels"), tf.int32)
        with tf.control_dependencies([size]):
            cube = framed(labels, size, scalar(unframed_label, contract.UNFRAMED_LABEL))
        raw = self.raw_scores(groups_of(cube), size)
        return {contract.SCORES: tf.clip_by_value(raw[1:], 0, 1)}

    def _checked_size(self, size: tf.Tensor) -> tf.Tensor:
        least = contract.SCORED_SIZE_MULTIPLE
        check = require(
            (size >= least) & (size <= self.largest_size) & tf.equal(size % least, 0),
            f"scored_size must be a multiple of {least} from {least} to {self.largest_size}, found",
            size,
        )
        with tf.control_dependencies([check]):
            return tf.identity(size)

    def raw_scores(self, groups: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """What the network says of a cube of groups, float32 `[9]`, int32 `[n, n, n]` in."""
        volume = self._finest_level(groups, size)
        for level in range(1, LEVELS):
            first, expanded = self._both(_padded(volume, _RADIUS), level)
            volume = self._joined(_padded(first, _RADIUS), expanded, level)
        for layer in ("qc_final_conv_0", "qc_final_conv_1"):
            volume = tf.nn.relu(self._convolution(_padded(volume, _RADIUS), layer))
        return tf.reduce_mean(volume, axis=[0, 1, 2])

    def _finest_level(self, groups: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """float32 `[n/2, n/2, n/2, 24]` of int32 `[n, n, n]`."""
        reach = 2 * _RADIUS
        padded = tf.pad(groups, [[reach, reach], [0, 0], [0, 0]], constant_values=_OUTSIDE)
        thickness = tf.where(tf.equal(size % _SLAB, 0), _SLAB, _SLAB // 2)
        count = size // thickness

        def body(index: tf.Tensor, found: tf.TensorArray) -> tuple[tf.TensorArray]:
            start = index * thickness
            rows = padded[start : start + thickness + 2 * reach]
            volume = tf.one_hot(rows, GROUPS, dtype=tf.float32)
            first, expanded = self._both(_padded(volume, 0), level=0)
            # Rows beyond the cube are zero to the second convolution, not what the first made.
            first = keep_inside(first, start - _RADIUS, size)
            expanded = expanded[_RADIUS : tf.shape(expanded)[0] - _RADIUS]
            return (found.write(index, self._joined(_padded(first, 0), expanded, level=0)),)

        (found,) = for_each_slab(
            count, body, (tf.TensorArray(tf.float32, count, infer_shape=False),)
        )
        return tf.ensure_shape(found.concat(), [None, None, None, FEATURES])

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


def framed(labels: tf.Tensor, size: tf.Tensor, unframed: tf.Tensor) -> tf.Tensor:
    """The cube around what is segmented, with background where it reaches beyond the volume.

    Args:
        labels: int32 `[x, y, z]`.
        size: Edge of the cube.
        unframed: A label that does not count when the cube is placed.

    Returns:
        int32 `[size, size, size]`.
    """
    held = (labels > 0) & tf.not_equal(labels, unframed)
    shape = tf.shape(labels)
    begin, padding, length = [], [], []
    for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
        low, high = _extent(tf.reduce_any(held, axis=others), size)
        missing = size - (high - low)
        low -= -(-missing // 2)
        high += missing // 2
        first, last = tf.maximum(low, 0), tf.minimum(high, shape[axis])
        begin.append(first)
        length.append(last - first)
        padding.append(tf.stack([tf.maximum(-low, 0), tf.maximum(high - shape[axis], 0)]))
    part = tf.slice(labels, tf.stack(begin), tf.stack(length))
    return tf.pad(part, tf.stack(padding))


def _extent(held: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """First index held and the one after the last, of bool `[n]`; from 0 where none is."""
    where = tf.cast(tf.reshape(tf.where(held), [-1]), tf.int32)
    count = tf.size(held)
    low, high = tf.cond(
        tf.size(where) > 0,
        lambda: (tf.reduce_min(where), tf.reduce_max(where) + 1),
        lambda: (tf.zeros([], tf.int32), tf.minimum(count, size)),
    )
    return low, high


def groups_of(labels: tf.Tensor) -> tf.Tensor:
    """Group of every label, int32; a label that has none is an error."""
    table = np.full(_UNKNOWN + 1, _UNKNOWN, np.int32)
    table[list(GROUP_OF_LABEL)] = list(GROUP_OF_LABEL.values())
    groups = tf.gather(tf.constant(table), labels)
    strange = tf.boolean_mask(labels, tf.equal(groups, _UNKNOWN))
    check = require(
        tf.equal(tf.size(strange), 0),
        "network_labels must be labels of SynthSeg 1.0 or 2.0, found",
        tf.unique(strange).y,
    )
    with tf.control_dependencies([check]):
        return tf.identity(groups)


def _padded(volume: tf.Tensor, along_x: int) -> tf.Tensor:
    """Zeros around `[x, y, z, channel]`, so that a convolution keeps its size."""
    return tf.pad(volume, [[along_x, along_x], [_RADIUS] * 2, [_RADIUS] * 2, [0, 0]])


def largest_scored_size(max_voxels: int) -> int:
    """The largest edge of a cube of so many voxels that a scorer takes."""
    multiple = contract.SCORED_SIZE_MULTIPLE
    sizes = range(multiple, contract.LARGEST_SCORED_SIZE + 1, multiple)
    return max((n for n in sizes if n**3 <= max_voxels), default=multiple)
