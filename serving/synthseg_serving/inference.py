"""The served graph: image to labels, or to the evidence from which the client cleans them up.

The second pass goes slab by slab from the U-Net's last level to the answer, so posteriors never
exist as a whole; the mirrored pass, which runs first, keeps its own in three bytes a value.
"""

from __future__ import annotations

import json

import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.label_types import channel_dtype, sent_label_dtype
from synthseg_common.labels import SegmentationLabels
from synthseg_common.processing import SMOOTHING_SIGMA_VOXELS, VOXEL_MM, mirrored_shift
from synthseg_trainer.network.bundle import Bundle

from synthseg_serving.checks import finite, first_sizes, require, scalar
from synthseg_serving.errors import ExportError
from synthseg_serving.graph import Input, Signature
from synthseg_serving.instance_unet import served_unet
from synthseg_serving.intensity import rescale
from synthseg_serving.precision import BYTES, restore, store, to_half
from synthseg_serving.slabs import Slabs, for_each_slab

_BITS = 8
_MARGIN = 1
"""Rows that the smoothing reads beyond a slab."""


class Segmenter(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
    """A network with everything around it, ready to be saved."""

    smooths = True
    """Whether probabilities may be blurred."""
    input_channels = 1

    def __init__(self, bundle: Bundle, info: dict[str, object]) -> None:
        """Takes a trained network.

        Args:
            bundle: The network and its labels.
            info: What `describe` answers as `model_info`; how many voxels are taken is there too.

        Raises:
            ExportError: The network cannot be served, or its labels are not its channels.
        """
        super().__init__(name="segmenter")
        if isinstance(sizes := bundle.info.get("voxel_size_mm", VOXEL_MM), list):
            raise ExportError(
                f"the network was trained on voxels with sides of {' and '.join(map(str, sizes))} "
                "mm; only networks of cubic voxels can be served."
            )
        if len(bundle.labels) != bundle.network.n_labels:
            raise ExportError(
                f"the network has {bundle.network.n_labels} channels, the label table "
                f"{len(bundle.labels)} rows."
            )
        if bundle.network.n_channels != self.input_channels:
            raise ExportError(
                f"the network takes {bundle.network.n_channels} channels; only "
                f"{self.input_channels} can be served."
            )
        self.labels = bundle.labels
        self.max_voxels = int(str(info.get(contract.MAX_VOXELS, contract.DEFAULT_MAX_VOXELS)))
        # As text: tf.Module replaces dictionaries by trackable ones, which JSON refuses.
        self.info = json.dumps(info)
        # A network that never saw mirrored anatomy is not asked about it, whatever the request.
        self.mirrored = bool(bundle.info.get("mirrored", True))
        self.unet = served_unet(bundle.network, bundle.weights, bundle.labels.flip_channels)
        topology = bundle.labels.topology_classes
        self.fixed: list[int] = [0] + [c for c in range(1, len(topology)) if topology[c] == 0]
        self.others = [c for c in range(len(topology)) if c not in self.fixed]

    def signatures(self) -> dict[str, Signature]:
        """What a model of this network is asked."""
        least = np.full(3, contract.DEFAULT_MIN_SIZE, np.int32)
        inputs = (
            Input(contract.IMAGE, tf.float32, (None, None, None)),
            Input(contract.MIN_SIZE, tf.int32, (3,), least),
            Input(contract.FLIP, tf.bool, (), np.array(True)),
            Input(contract.SMOOTH, tf.bool, (), np.array(True)),
        )
        return {
            contract.SEGMENT_SIGNATURE: Signature(inputs, self.segment),
            contract.DESCRIBE_SIGNATURE: Signature((), self.describe),
        }

    def restore(self, session: tf.compat.v1.Session) -> None:
        """Gives the variables of the graph their values."""
        self.unet.restore(session)

    def segment(
        self, image: tf.Tensor, min_size: tf.Tensor, flip: tf.Tensor, smooth: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Segments one volume; see `contract` for request and answer.

        The tensors may come with unknown shapes: ranks and sizes are checked in the graph, since
        servers do not.
        """
        image, min_size, flip = _shaped(image, min_size, flip)
        smooth = scalar(smooth, contract.SMOOTH) & self.smooths
        if not self.mirrored:
            flip = tf.zeros_like(flip)
        shape = tf.shape(image)
        grid = self._checked_grid(shape, min_size)
        offset = (grid - shape) // 2
        # Whatever the size of an image decides is known before its voxels are looked at.
        with tf.control_dependencies([grid]):
            image = finite(image)
        volume = tf.pad(rescale(image), tf.stack([offset, grid - shape - offset], 1))
        volume = self.network_input(volume[..., tf.newaxis])
        mirrored = tf.cond(
            flip,
            lambda: self._mirrored_pass(volume),
            lambda: tf.TensorArray(tf.uint8, 0, infer_shape=False, clear_after_read=False),
        )
        # One pass after the other: together they would need twice the memory and gain no time.
        with tf.control_dependencies([mirrored.flow]):
            volume = tf.identity(volume)
        answer = self._plain_pass(volume, mirrored, flip, smooth)
        labels = answer.pop(contract.LABELS)
        return {
            contract.LABELS: tf.slice(labels, offset, shape),
            contract.NETWORK_LABELS: labels,
            contract.NETWORK_SHAPE: grid,
            contract.OFFSET: offset,
            **answer,
            **self._evidence(answer[contract.POSTERIORS]),
        }

    def network_input(self, volume: tf.Tensor) -> tf.Tensor:
        """What the network is shown: float32 `[x, y, z, channel]` from `[x, y, z, 1]` in 0 to 1."""
        return volume

    def describe(self) -> dict[str, tf.Tensor]:
        """The label table and the model's provenance; see `contract`."""
        return described(self.labels, self.info)

    def _checked_grid(self, shape: tf.Tensor, min_size: tf.Tensor) -> tf.Tensor:
        """Shape of the network grid, int32 `[3]`; one that reaches too far is an error."""
        grid = network_grid(shape, min_size)
        # Sizes cut just above the bound, so that not even their product overflows.
        counted = tf.maximum(grid, [contract.LEAST_COUNTED_X, 1, 1])
        voxels = tf.reduce_prod(tf.minimum(counted, 2 * contract.LARGEST_AXIS))
        checks = [
            require(
                tf.reduce_all(grid <= contract.LARGEST_AXIS),
                f"the network grid may have {contract.LARGEST_AXIS} voxels per axis at most, "
                "image and min_size ask for",
                grid,
            ),
            require(
                voxels <= self.max_voxels,
                f"the network grid may have {self.max_voxels} voxels at most (counted as "
                f"{contract.LEAST_COUNTED_X} along x at least), image and min_size ask for",
                grid,
            ),
        ]
        with tf.control_dependencies(checks):
            return tf.cast(grid, tf.int32)

    def _mirrored_pass(self, volume: tf.Tensor) -> tf.TensorArray:
        """Probabilities of the mirrored volume, mirrored back, as stored `Slabs`."""
        shift = mirrored_shift(self.unet.network.stem)
        slab, count = self.unet.probabilities_in_slabs(
            tf.reverse(_moved(volume, shift), [0]), margin=0, mirrored=True
        )

        def body(index: tf.Tensor, array: tf.TensorArray) -> tuple[tf.TensorArray]:
            part = store(_moved(tf.reverse(slab(index), [0]), -shift))
            return (self._slabs(array, count).write(count - 1 - index, part).array,)

        edge = tf.concat([[_MARGIN], tf.shape(volume)[1:3], [BYTES * len(self.labels)]], 0)
        empty = Slabs.empty(count, edge, BYTES * len(self.labels), tf.uint8)
        return for_each_slab(count, body, (empty.array,))[0]

    def _slabs(self, array: tf.TensorArray, count: tf.Tensor) -> Slabs:
        return Slabs(array, count, BYTES * len(self.labels))

    def _plain_pass(
        self,
        volume: tf.Tensor,
        mirrored: tf.TensorArray,
        flip: tf.Tensor,
        smoothed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        slab, count = self.unet.probabilities_in_slabs(volume, margin=_MARGIN, mirrored=False)

        def averaged(index: tf.Tensor) -> tf.Tensor:
            plain = slab(index)
            other = self._slabs(mirrored, count)
            return tf.cond(
                flip,
                lambda: 0.5 * (plain + restore(other.read(index, _MARGIN))),
                lambda: plain,
            )

        names = list(self._slab_dtypes())

        def body(index: tf.Tensor, *arrays: tf.TensorArray) -> tuple[tf.TensorArray, ...]:
            rows = averaged(index)
            part = self._slab_answer(tf.cond(smoothed, lambda: smooth(rows), lambda: inner(rows)))
            return tuple(a.write(index, part[n]) for n, a in zip(names, arrays, strict=True))

        arrays = for_each_slab(
            count,
            body,
            tuple(
                tf.TensorArray(d, count, infer_shape=False) for d in self._slab_dtypes().values()
            ),
        )
        answer = {name: array.concat() for name, array in zip(names, arrays, strict=True)}
        answer[contract.POSTERIORS] = tf.ensure_shape(
            answer[contract.POSTERIORS], [None, len(self.labels)]
        )
        return answer

    def _slab_dtypes(self) -> dict[str, tf.DType]:
        return {
            contract.LABELS: tf.as_dtype(sent_label_dtype(self.labels.values[-1])),
            contract.FOREGROUND: tf.uint8,
            contract.POSTERIORS: tf.float16,
        }

    def _slab_answer(self, posterior: tf.Tensor) -> dict[str, tf.Tensor]:
        """What every answer needs of one slab of the averaged, smoothed posterior."""
        winner = tf.argmax(posterior, axis=-1, output_type=tf.int32)
        values = tf.constant(self.labels.values, self._slab_dtypes()[contract.LABELS])
        structures = tf.reduce_sum(posterior, -1) - posterior[..., 0]
        foreground = tf.reshape(structures > contract.FOREGROUND_THRESHOLD, [-1])
        rows = tf.reshape(posterior, [-1, len(self.labels)])
        rows = tf.gather(rows, tf.squeeze(tf.where(foreground), 1))
        return {
            contract.LABELS: tf.gather(values, winner),
            contract.FOREGROUND: pack_bits(foreground),
            contract.POSTERIORS: to_half(rows),
        }

    def _evidence(self, posteriors: tf.Tensor) -> dict[str, tf.Tensor]:
        """The strongest channels of float16 `[N, label]`; after the loop: only if asked for."""
        dtype = tf.as_dtype(channel_dtype(len(self.labels)))
        others = tf.constant(self.others, tf.int32)  # an integer also where there is none
        top, channels = tf.math.top_k(
            tf.gather(posteriors, others, axis=1), min(contract.TOP_K, len(self.others))
        )
        return {
            contract.FIXED_PROBABILITY: tf.gather(posteriors, self.fixed, axis=1),
            contract.FIXED_CHANNELS: tf.constant(self.fixed, tf.int32),
            contract.TOP_PROBABILITY: top,
            contract.TOP_CHANNELS: tf.gather(tf.cast(others, dtype), channels),
        }


def _moved(volume: tf.Tensor, shift: int) -> tf.Tensor:
    """A volume shifted along y and z; what leaves at one end comes in at the other."""
    return tf.roll(volume, [shift, shift], [1, 2]) if shift else volume


def network_grid(shape: tf.Tensor, min_size: tf.Tensor) -> tf.Tensor:
    """Shape of the padded volume, int64 `[3]`: the largest `min_size`, rounded up, has 33 bits."""
    multiple = contract.SIZE_MULTIPLE
    return -(-tf.cast(tf.maximum(shape, min_size), tf.int64) // multiple) * multiple


def described(labels: SegmentationLabels, info: str) -> dict[str, tf.Tensor]:
    """The answer to `describe`; see `contract`."""
    return {
        contract.LABEL_VALUES: tf.constant(labels.values, tf.int32),
        contract.LABEL_NAMES: tf.constant([name.encode() for name in labels.names]),
        contract.TOPOLOGY_CLASSES: tf.constant(labels.topology_classes, tf.int32),
        contract.FLIP_CHANNELS: tf.constant(labels.flip_channels, tf.int32),
        contract.MODEL_INFO: tf.constant(info.encode()),
    }


def inner(rows: tf.Tensor) -> tf.Tensor:
    """What `smooth` leaves of `[1 + x + 1, y, z, label]` where nothing is blurred."""
    return rows[_MARGIN : tf.shape(rows)[0] - _MARGIN]


def smoothing_weights() -> tuple[float, float]:
    """Weight of the centre and of each neighbour along one axis; the 3-D kernel sums to 1."""
    neighbour = float(np.exp(-1 / (2 * SMOOTHING_SIGMA_VOXELS**2)))
    total = 1 + 2 * neighbour
    return 1 / total, neighbour / total


def smooth(posterior: tf.Tensor) -> tf.Tensor:
    """Blurs every channel with a Gaussian of 0.5 voxels cut to 3³, zeros around y and z.

    Args:
        posterior: float32 `[1 + x + 1, y, z, label]`.

    Returns:
        float32 `[x, y, z, label]`.
    """
    centre, side = smoothing_weights()
    along_x = centre * posterior[1:-1] + side * (posterior[:-2] + posterior[2:])
    line = tf.constant([side, centre, side])
    plane = line[:, tf.newaxis] * line
    labels = posterior.shape[-1]
    kernel = tf.tile(plane[:, :, tf.newaxis, tf.newaxis], [1, 1, labels, 1])
    return tf.nn.depthwise_conv2d(along_x, kernel, [1, 1, 1, 1], "SAME")


def pack_bits(flags: tf.Tensor) -> tf.Tensor:
    """Packs bool `[8 n]` into uint8 `[n]`, most significant bit first, as `numpy.packbits`."""
    bits = tf.cast(tf.reshape(flags, [-1, _BITS]), tf.int32)
    powers = tf.constant([1 << (_BITS - 1 - i) for i in range(_BITS)], tf.int32)
    return tf.cast(tf.reduce_sum(bits * powers, axis=1), tf.uint8)


def _shaped(
    image: tf.Tensor, min_size: tf.Tensor, flip: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Refuses shapes that the graph cannot answer, in words that a caller understands."""
    ranks = [
        require(
            tf.equal(tf.rank(image), 3),
            "image must have 3 axes, x y z; its shape is",
            tf.shape(image),
        ),
        require(
            tf.reduce_all(tf.equal(first_sizes(min_size, 2), [3, 1])),
            "min_size must hold 3 sizes; its shape is",
            tf.shape(min_size),
        ),
        require(tf.equal(tf.size(flip), 1), "flip must be a scalar; its shape is", tf.shape(flip)),
    ]
    # Not ensure_shape: the graph optimiser takes its promise for a fact and drops the checks above.
    with tf.control_dependencies(ranks):
        image = tf.reshape(image, first_sizes(image, 3))
        min_size = tf.reshape(min_size, [3])
        flip = tf.reshape(flip, [])
    values = [
        require(tf.size(image) > 0, "image must hold voxels; its shape is", tf.shape(image)),
        require(tf.reduce_all(min_size >= 1), "min_size must be 1 or more, got", min_size),
    ]
    with tf.control_dependencies(values):
        return tf.identity(image), tf.identity(min_size), flip
