"""The convolutions of the network. Builds on any Keras backend."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers, ops

from synthseg_trainer.network.blocks import unfold
from synthseg_trainer.network.upsampling import meeting_taps

_Gradient = Callable[..., tuple[keras.KerasTensor, keras.KerasTensor]]
"""Gradients of the sum, by those of what it goes into."""


@keras.saving.register_keras_serializable("synthseg")
class Convolution(layers.Conv3D):  # type: ignore[misc]  # Keras ships no types
    """A 3-D convolution whose bias also learns in half the width.

    TensorFlow sums the gradient of a bias over all voxels in the width of the features; of the
    millions of small terms bfloat16 drops most, and the gradient points elsewhere (cosine 0.4 to
    the float32 one at 64³). Here that sum is taken in float32.
    """

    def call(self, volume: keras.KerasTensor) -> keras.KerasTensor:
        """Convolves, adds the bias, activates."""
        if self.compute_dtype == "float32" or not self.use_bias:
            return super().call(volume)
        volume = _add_bias(self.convolution_op(volume, self.kernel), ops.cast(self.bias, "float32"))
        return volume if self.activation is None else self.activation(volume)


@ops.custom_gradient  # type: ignore[untyped-decorator]  # Keras ships no types
def _add_bias(
    volume: keras.KerasTensor, bias: keras.KerasTensor
) -> tuple[keras.KerasTensor, _Gradient]:
    def gradient(
        *upstreams: keras.KerasTensor, upstream: keras.KerasTensor | None = None
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        # PyTorch's backend passes it by name.
        (passed,) = upstreams if upstream is None else (upstream,)
        return passed, ops.sum(ops.cast(passed, "float32"), axis=(0, 1, 2, 3))

    return ops.add(volume, ops.cast(bias, volume.dtype)), gradient


@keras.saving.register_keras_serializable("synthseg")
class UpConvolution(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Upsamples a volume by 2, joins it to another one and convolves with 3³, in fewer operations.

    Upsampling repeats every voxel, so of the 27 taps up to 8 meet the same value. Summed beforehand
    they are eight kernels of 2³, one for each place in a block of 2³ voxels, at an eighth of the
    voxels: 8 operations instead of 27. Neither the upsampled volume nor the joined one exists.
    The weights are those of the convolution that it stands for: first the channels of `skip`.

    Args:
        filters: Channels of the answer.
        activation: Name of the activation.
        **kwargs: Those of every Keras layer.
    """

    KERNEL_SIZE = 3
    """Edge of the kernel that it stands for."""

    def __init__(self, filters: int, activation: str | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.activation = keras.activations.get(activation)

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """Makes kernel and bias for the channels of both volumes."""
        skip, low = (int(shape[-1] or 0) for shape in shapes)
        self._skip_channels = skip
        size = self.KERNEL_SIZE
        # Taps are summed in float32 whatever the width, and only their sum is rounded.
        self.kernel = self.add_weight(
            (size, size, size, skip + low, self.filters),
            initializer="glorot_uniform",
            autocast=False,
            name="kernel",
        )
        self.bias = self.add_weight((self.filters,), initializer="zeros", name="bias")

    def call(self, volumes: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Joins `[skip, low]`: `[b, 2x, 2y, 2z, c]` and `[b, x, y, z, d]`."""
        skip, low = volumes
        on_skip, on_low = ops.split(
            ops.convert_to_tensor(self.kernel), [self._skip_channels], axis=-2
        )
        beside = ops.conv(skip, ops.cast(on_skip, self.compute_dtype), padding="same")
        beside = _add_bias(beside, ops.cast(self.bias, "float32"))
        windows = ops.conv(
            _with_border(low), ops.cast(_sum_taps(on_low), self.compute_dtype), padding="valid"
        )
        # Every place in a block was computed at every window of 2³ voxels; the windows of the
        # second begin one later than those of the first.
        blocks = unfold(windows, 2)
        batch, *sides, filters = ops.shape(blocks)
        inside = ops.slice(blocks, (0, 1, 1, 1, 0), (batch, *(n - 2 for n in sides), filters))
        # In this order TensorFlow computes convolution, bias, sum and activation in one kernel.
        return self.activation(ops.add(beside, inside))

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Shape of the answer."""
        return (*shapes[0][:-1], self.filters)

    def get_config(self) -> dict[str, object]:
        """Settings from which Keras builds the layer again."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "filters": self.filters, "activation": activation}


def _sum_taps(kernel: keras.KerasTensor) -> keras.KerasTensor:
    """`[3, 3, 3, in, out]` as applied after upsampling to `[2, 2, 2, in, 8·out]` before it."""
    channels, filters = kernel.shape[-2:]
    # The second place in a block comes first: cut by one voxel, the blocks then lie in order.
    taps = ops.convert_to_tensor(meeting_taps(UpConvolution.KERNEL_SIZE)[::-1], kernel.dtype)
    kernel = ops.einsum("apx,xyzio->pyzaio", taps, kernel)
    kernel = ops.einsum("bqy,pyzaio->pqzabio", taps, kernel)
    kernel = ops.einsum("crz,pqzabio->pqriabco", taps, kernel)
    return ops.reshape(kernel, (2, 2, 2, channels, 8 * filters))


def _with_border(volume: keras.KerasTensor) -> keras.KerasTensor:
    """A voxel of zeros around the volume.

    By joining, not by padding: TensorFlow tries to make padding a part of the convolution, fails,
    and then leaves all convolutions of the graph without their activations.
    """
    for axis in (1, 2, 3):
        shape = list(ops.shape(volume))
        shape[axis] = 1
        zeros = ops.zeros(shape, volume.dtype)
        volume = ops.concatenate([zeros, volume, zeros], axis=axis)
    return volume
