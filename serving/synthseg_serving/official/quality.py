"""Quality scores: a regressor that predicts, from a segmentation alone, how good it is.

Billot et al. 2023, doi:10.1073/pnas.2216399120.
"""

from __future__ import annotations

import json

import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.parcels import GROUP_OF_LABEL, QUALITY_GROUPS
from synthseg_trainer.aliases import Weights

from synthseg_serving.checks import checked_volume, require, scalar
from synthseg_serving.graph import Input, Signature
from synthseg_serving.inference import described
from synthseg_serving.official.quality_network import Regressor, extent

CSF = 24
_UNKNOWN = 255


class Scorer(Regressor):
    """The released regressor with everything around it."""

    def __init__(self, weights: Weights, info: dict[str, object]) -> None:
        """Takes the released weights.

        Args:
            weights: Arrays by the file's `<layer>/<variable>`.
            info: What `describe` answers as `model_info`.

        Raises:
            WeightsError: They are not the network's.
        """
        super().__init__(weights)
        self.info = json.dumps(info)
        most = int(str(info.get(contract.MAX_VOXELS, contract.DEFAULT_MAX_VOXELS)))
        self.largest_size = largest_scored_size(most)

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
        low, high = extent(tf.reduce_any(held, axis=others))
        # Of a map without anything the cube shows the beginning.
        high = tf.where(high > 0, high, tf.minimum(shape[axis], size))
        missing = size - (high - low)
        low -= -(-missing // 2)
        high += missing // 2
        first, last = tf.maximum(low, 0), tf.minimum(high, shape[axis])
        begin.append(first)
        length.append(last - first)
        padding.append(tf.stack([tf.maximum(-low, 0), tf.maximum(high - shape[axis], 0)]))
    part = tf.slice(labels, tf.stack(begin), tf.stack(length))
    return tf.pad(part, tf.stack(padding))


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


def largest_scored_size(max_voxels: int) -> int:
    """The largest edge of a cube of so many voxels that a scorer takes."""
    multiple = contract.SCORED_SIZE_MULTIPLE
    sizes = range(multiple, contract.LARGEST_SCORED_SIZE + 1, multiple)
    return max((n for n in sizes if n**3 <= max_voxels), default=multiple)
