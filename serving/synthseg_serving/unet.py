"""The U-Net as it is served: the same numbers as the trained one, with less memory and time.

The finest level holds nearly all memory and half of the operations. It is computed in slabs along
x, so that only its skip connection ever exists as a whole; deeper levels are computed at once.
Upsampling and convolution are one step (`decoder`), batch normalisation is one multiplication and
addition, the last one is part of the last convolution.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_common.contract import SIZE_MULTIPLE
from synthseg_trainer.aliases import Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import layer_names as names

from synthseg_serving.blocks import fold, max_pool, unfold
from synthseg_serving.decoder import low_margin, parity_kernels, upsampled_convolution
from synthseg_serving.errors import ExportError
from synthseg_serving.late_variables import LateVariables
from synthseg_serving.slabs import Slabs, for_each_slab, keep_inside
from synthseg_serving.variables import (
    BATCH_NORM,
    NORM_EPSILON,
    at_every_level,
    check_shapes,
    variable_shapes,
)

SLAB_VOXELS = SIZE_MULTIPLE
"""Thickness of the slabs in voxels of the network grid."""

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "elu": tf.nn.elu,
    "relu": tf.nn.relu,
    "selu": tf.nn.selu,
    "softplus": tf.nn.softplus,
    "tanh": tf.nn.tanh,
    "swish": tf.nn.silu,
    "silu": tf.nn.silu,
    "linear": tf.identity,
}


class ServedUnet(LateVariables):
    """A trained network, from volume to softmax probabilities.

    Volumes have no batch axis, `[x, y, z, channel]`: slices along x then cost nothing.
    """

    def __init__(
        self,
        network: NetworkSettings,
        trained: Weights,
        flip_channels: tuple[int, ...],
    ) -> None:
        """Takes the trained weights over, in the form in which they are applied.

        Args:
            network: Shape of the network.
            trained: Arrays by `<layer>/<variable>`.
            flip_channels: For each channel that of the same structure on the other side.

        Raises:
            ExportError: The network has settings that cannot be served.
            WeightsError: The weights are not the network's.
        """
        super().__init__("unet")
        _check_servable(network)
        check_shapes(trained, variable_shapes(network, self.merges), "model")
        self.network = network
        self.activation = ACTIVATIONS[network.activation]
        self.radius = network.kernel_size // 2
        for level in range(network.n_levels):
            self._add_convolutions(trained, names.down_convolutions(network, level))
            self._add_norm(trained, names.down_norm(level))
        for level in range(network.n_levels - 1):
            self._add_up_level(trained, level)
        if network.detail_features:
            self._add_convolutions(trained, [names.DETAIL])
        self._add_head(trained, flip_channels)

    def merges(self, level: int) -> bool:
        """Whether the way up joins what the way down found at a level, 0 the finest."""
        return at_every_level(level)

    def probabilities_in_slabs(
        self, volume: tf.Tensor, margin: int, mirrored: bool
    ) -> tuple[Callable[[tf.Tensor], tf.Tensor], tf.Tensor]:
        """Computes everything but the last part, which the caller takes slab by slab.

        Args:
            volume: float32 `[x, y, z, channel]`, axes multiples of 32.
            margin: Voxels that a slab reaches beyond its thickness on either side, 0 or 1.
            mirrored: Answer the channels of the other side, as a mirrored image needs.

        Returns:
            A function from slab index to float32 `[SLAB_VOXELS + 2 margin, y, z, label]`, zero
            outside the volume; and the number of slabs, an int32 scalar.
        """
        stem = self.network.stem
        folded = fold(volume, stem)
        size = tf.shape(folded)[0]
        thickness = SLAB_VOXELS // stem
        reach = -(-margin // stem)
        around = reach + (self.radius if self.network.detail_features else 0)
        skip_margin = self.network.convs_per_level * self.radius + around
        image = None
        if self.network.detail_features:
            image = tf.pad(folded, [[around, around], [0, 0], [0, 0], [0, 0]])
        skip, low = self._first_level(folded, thickness, skip_margin)
        low = self._deeper_levels(low)
        low_front = self._low_reach(skip_margin)
        low = self._pad_low(low, low_front)

        def slab(index: tf.Tensor) -> tf.Tensor:
            first = index * thickness
            rows = skip.read(index, skip_margin)
            rows = self._last_level(rows, low, first, skip_margin, size, low_front)
            if image is not None:
                beside = image[first : first + thickness + 2 * around]
                rows = self._with_detail(rows, beside, first - around, size)
            return self._answer(rows, mirrored, reach * stem - margin, first * stem - margin, size)

        return slab, size // thickness

    def _answer(
        self, rows: tf.Tensor, mirrored: bool, extra: int, first: tf.Tensor, size: tf.Tensor
    ) -> tf.Tensor:
        """Features of a slab to probabilities, zero outside the volume.

        Args:
            rows: float32 `[x, y, z, feature]`, folded.
            mirrored: Answer the channels of the other side.
            extra: Voxels to drop at either end along x.
            first: Voxel along x of the first row that stays.
            size: Rows of the whole folded volume.
        """
        stem, head = self.network.stem, f"head_{'mirrored' if mirrored else 'plain'}"
        logits = tf.linalg.matmul(rows, self._values[f"{head}/kernel"])
        logits = unfold(logits + self._values[f"{head}/bias"], stem)
        logits = logits[extra : tf.shape(logits)[0] - extra]
        return keep_inside(tf.nn.softmax(logits), first, size * stem)

    def probabilities(self, volume: tf.Tensor) -> tf.Tensor:
        """Probabilities of a whole volume, float32 `[x, y, z, label]`; what tests compare."""
        slab, count = self.probabilities_in_slabs(volume, margin=0, mirrored=False)
        parts = tf.map_fn(slab, tf.range(count), fn_output_signature=tf.float32)
        return tf.reshape(parts, [-1, *tf.unstack(tf.shape(parts)[2:])])

    def _first_level(
        self, folded: tf.Tensor, thickness: int, skip_margin: int
    ) -> tuple[Slabs, tf.Tensor]:
        """The finest level on the way down: the skip connection, and the pooled volume."""
        size = tf.shape(folded)[0]
        layers = names.down_convolutions(self.network, 0)
        reach = len(layers) * self.radius
        padded = tf.pad(folded, [[reach, reach], [0, 0], [0, 0], [0, 0]])
        norm = names.down_norm(0)

        def body(
            index: tf.Tensor, skips: tf.TensorArray, lows: tf.TensorArray
        ) -> tuple[tf.TensorArray, tf.TensorArray]:
            first = index * thickness
            rows = padded[first : first + thickness + 2 * reach]
            for done, layer in enumerate(layers, start=1):
                rows = self._trim(self._convolution(rows, layer))
                if done < len(layers):
                    rows = keep_inside(rows, first - reach + done * self.radius, size)
            pooled = max_pool(self._normalize(rows, norm))
            held = Slabs(skips, count, kept).write(index, rows[..., :kept])
            return held.array, lows.write(index, pooled)

        count = size // thickness
        features = self.network.features_at(0)
        # Nobody reads the rows of a level without skip connection, but for their number.
        kept = features if self.merges(0) else 0
        edge = tf.concat([[skip_margin], tf.shape(folded)[1:3], [kept]], 0)
        skips = Slabs.empty(count, edge, kept).array
        lows = tf.TensorArray(tf.float32, count, infer_shape=False)
        skips, lows = for_each_slab(count, body, (skips, lows))
        low = tf.ensure_shape(lows.concat(), [None, None, None, features])
        return Slabs(skips, count, kept), low

    def _deeper_levels(self, volume: tf.Tensor) -> tf.Tensor:
        """Everything below the finest level, at half its resolution in and out."""
        deepest = self.network.n_levels - 1
        skips: dict[int, tf.Tensor] = {}
        for level in range(1, self.network.n_levels):
            for layer in names.down_convolutions(self.network, level):
                volume = self._convolution(volume, layer)
            if self.merges(level):
                skips[level] = volume
            volume = self._normalize(volume, names.down_norm(level))
            if level < deepest:
                volume = max_pool(volume)
        front, back = low_margin(self.network.kernel_size)
        for level in reversed(range(1, deepest)):
            first, *others = names.up_convolutions(self.network, level)
            padded = tf.pad(volume, [[front, back]] * 3 + [[0, 0]])
            volume = self._merge(skips.pop(level, None), padded, first)
            for layer in others:
                volume = self._convolution(volume, layer)
            volume = self._normalize(volume, names.up_norm(self.network, level))
        return volume

    def _last_level(
        self,
        skip: tf.Tensor,
        low: tf.Tensor,
        first: tf.Tensor,
        skip_margin: int,
        size: tf.Tensor,
        low_front: int,
    ) -> tf.Tensor:
        """One slab of the finest level on the way up, before its batch normalisation."""
        layer, *others = names.up_convolutions(self.network, 0)
        front, back = low_margin(self.network.kernel_size)
        rows = skip_margin - self.radius
        thickness = tf.shape(skip)[0] - 2 * skip_margin
        even = rows + rows % 2
        begin = first // 2 - even // 2 - front + low_front
        count = (thickness + 2 * even) // 2 + front + back
        beside = skip if self.merges(0) else None
        volume = self._merge(
            beside, low[begin : begin + count], layer, trim=True, surplus=even - rows
        )
        for done, other in enumerate(others, start=1):
            volume = keep_inside(volume, first - rows + (done - 1) * self.radius, size)
            volume = self._trim(self._convolution(volume, other))
        return volume

    def _with_detail(
        self, rows: tf.Tensor, image: tf.Tensor, first: tf.Tensor, size: tf.Tensor
    ) -> tf.Tensor:
        """The finest features and their details side by side, neither normalised."""
        inside = keep_inside(self._normalize(rows, names.up_norm(self.network, 0)), first, size)
        detail = self._convolution(tf.concat([inside, image], -1), names.DETAIL)
        return self._trim(tf.concat([rows, detail], -1))

    def _merge(
        self,
        skip: tf.Tensor | None,
        padded_low: tf.Tensor,
        layer: str,
        trim: bool = False,
        surplus: int = 0,
    ) -> tf.Tensor:
        """Convolution of the skip connection and the upsampled volume side by side, activated."""
        kernels = self._values[f"{layer}/parities"]
        below = upsampled_convolution(padded_low, kernels, self.network.kernel_size)
        if surplus:
            below = below[surplus : tf.shape(below)[0] - surplus]
        if skip is None:
            return self.activation(below + self._values[f"{layer}/bias"])
        beside = tf.nn.conv3d(skip[tf.newaxis], self._values[f"{layer}/skip"], [1] * 5, "SAME")
        beside = tf.nn.bias_add(beside, self._values[f"{layer}/bias"])[0]
        return self.activation((self._trim(beside) if trim else beside) + below)

    def _low_reach(self, skip_margin: int) -> int:
        rows = skip_margin - self.radius
        return (rows + rows % 2) // 2 + max(low_margin(self.network.kernel_size))

    def _pad_low(self, low: tf.Tensor, along_x: int) -> tf.Tensor:
        across = list(low_margin(self.network.kernel_size))
        return tf.pad(low, [[along_x, along_x], across, across, [0, 0]])

    def _convolution(self, volume: tf.Tensor, layer: str) -> tf.Tensor:
        out = tf.nn.conv3d(volume[tf.newaxis], self._values[f"{layer}/kernel"], [1] * 5, "SAME")
        out = self.activation(tf.nn.bias_add(out, self._values[f"{layer}/bias"]))
        return tf.squeeze(out, axis=0)

    def _normalize(self, volume: tf.Tensor, layer: str) -> tf.Tensor:
        return volume * self._values[f"{layer}/scale"] + self._values[f"{layer}/offset"]

    def _trim(self, rows: tf.Tensor) -> tf.Tensor:
        """Drops the rows whose neighbours were not in the slab."""
        return rows[self.radius : tf.shape(rows)[0] - self.radius] if self.radius else rows

    def _add_norm(self, trained: Weights, layer: str) -> None:
        scale, offset = affine_of(trained, layer)
        self._variable(f"{layer}/scale", scale)
        self._variable(f"{layer}/offset", offset)

    def _add_convolutions(self, trained: Weights, layers: list[str]) -> None:
        for layer in layers:
            self._variable(f"{layer}/kernel", trained[f"{layer}/kernel"])
            self._variable(f"{layer}/bias", trained[f"{layer}/bias"])

    def _add_up_level(self, trained: Weights, level: int) -> None:
        first, *others = names.up_convolutions(self.network, level)
        kernel = trained[f"{first}/kernel"]
        beside = self.network.features_at(level) if self.merges(level) else 0
        if beside:
            self._variable(f"{first}/skip", kernel[..., :beside, :])
        self._variable(f"{first}/parities", parity_kernels(kernel[..., beside:, :]))
        self._variable(f"{first}/bias", trained[f"{first}/bias"])
        self._add_convolutions(trained, others)
        if level > 0:
            self._add_norm(trained, names.up_norm(self.network, level))

    def _add_head(self, trained: Weights, flip_channels: tuple[int, ...]) -> None:
        kernel, bias = self._head(trained)
        blocks = self.network.stem**3
        same = np.arange(blocks * len(flip_channels))
        moved = same.reshape(blocks, -1)[:, list(flip_channels)]
        for name, columns in {"plain": same, "mirrored": moved.ravel()}.items():
            self._variable(f"head_{name}/kernel", kernel[:, columns])
            self._variable(f"head_{name}/bias", bias[columns])

    def _head(self, trained: Weights) -> tuple[FloatArray, FloatArray]:
        """Kernel and bias of the last convolution, with the normalisation before it."""
        scale, offset = affine_of(trained, names.up_norm(self.network, 0))
        if self.network.detail_features:
            self._add_norm(trained, names.up_norm(self.network, 0))
            details = affine_of(trained, names.DETAIL_NORM)
            scale, offset = np.append(scale, details[0]), np.append(offset, details[1])
        kernel = trained[f"{names.LOGITS}/kernel"][0, 0, 0].astype(np.float64)
        return scale[:, np.newaxis] * kernel, trained[f"{names.LOGITS}/bias"] + offset @ kernel


def _check_servable(network: NetworkSettings) -> None:
    if SIZE_MULTIPLE % network.size_multiple or SLAB_VOXELS % (2 * network.stem):
        raise ExportError(
            f"the network needs axes that are multiples of {network.size_multiple} voxels (stem "
            f"{network.stem}, {network.n_levels} levels); served volumes are multiples of "
            f"{SIZE_MULTIPLE}."
        )
    details = 1 if network.detail_features else 0
    reach = (network.convs_per_level + details) * (network.kernel_size // 2) + 1
    if reach > SLAB_VOXELS // network.stem:
        raise ExportError(
            f"{network.convs_per_level} convolutions of {network.kernel_size}³ per level reach "
            f"{reach} rows far; slabs of {SLAB_VOXELS // network.stem} rows are served."
        )


def affine_of(trained: Weights, layer: str) -> tuple[FloatArray, FloatArray]:
    """Batch normalisation with its moving statistics as float64 scale and offset."""
    gamma, beta, mean, variance = (trained[f"{layer}/{n}"].astype(np.float64) for n in BATCH_NORM)
    scale = gamma / np.sqrt(variance + NORM_EPSILON)
    return scale, beta - mean * scale
