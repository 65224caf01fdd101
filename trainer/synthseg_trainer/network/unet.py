"""The segmentation network: a 3-D U-Net whose layers carry the names of the original.

So official weights load by name. Builds on any Keras backend; importing this module imports Keras,
but not the settings alone: `NetworkSettings` is in `synthseg_trainer.config`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import layer_names as names
from synthseg_trainer.network.instance_norm import InstanceNormalization


def fold(volume: keras.KerasTensor, block: int) -> keras.KerasTensor:
    """Folds blocks of `block`³ voxels into channels, as `SpaceToDepth` says."""
    batch, *shape, channels = ops.shape(volume)
    x, y, z = (n // block for n in shape)
    volume = ops.reshape(volume, (batch, x, block, y, block, z, block, channels))
    volume = ops.transpose(volume, (0, 1, 3, 5, 2, 4, 6, 7))
    return ops.reshape(volume, (batch, x, y, z, block**3 * channels))


@keras.saving.register_keras_serializable("synthseg")
class SpaceToDepth(layers.Layer):
    """Folds blocks of s³ voxels into channels: `[b, x, y, z, c]` to `[b, x/s, y/s, z/s, s³·c]`.

    The sub-voxel runs x slowest, z faster, the original channel fastest.
    """

    def __init__(self, block: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.block = block

    def call(self, volume: keras.KerasTensor) -> keras.KerasTensor:
        """Folds; every axis must be a multiple of `block`."""
        return fold(volume, self.block)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the folded volume."""
        batch, *axes, channels = shape
        return (
            batch,
            *(n and n // self.block for n in axes),
            channels and self.block**3 * channels,
        )

    def get_config(self) -> dict[str, object]:
        """Settings from which Keras builds the layer again."""
        return {**super().get_config(), "block": self.block}


@keras.saving.register_keras_serializable("synthseg")
class DepthToSpace(layers.Layer):
    """The way back of `SpaceToDepth`: `[b, x, y, z, s³·c]` to `[b, x·s, y·s, z·s, c]`."""

    def __init__(self, block: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.block = block

    def call(self, volume: keras.KerasTensor) -> keras.KerasTensor:
        """Unfolds; the channels must be a multiple of `block`³."""
        s = self.block
        batch, x, y, z, folded = ops.shape(volume)
        channels = folded // s**3
        volume = ops.reshape(volume, (batch, x, y, z, s, s, s, channels))
        volume = ops.transpose(volume, (0, 1, 4, 2, 5, 3, 6, 7))
        return ops.reshape(volume, (batch, x * s, y * s, z * s, channels))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the unfolded volume."""
        batch, *axes, folded = shape
        return (batch, *(n and n * self.block for n in axes), folded and folded // self.block**3)

    def get_config(self) -> dict[str, object]:
        """Settings from which Keras builds the layer again."""
        return {**super().get_config(), "block": self.block}


@keras.saving.register_keras_serializable("synthseg")
class Convolution(layers.Conv3D):
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


@ops.custom_gradient
def _add_bias(volume: keras.KerasTensor, bias: keras.KerasTensor) -> tuple[keras.KerasTensor, Any]:
    def gradient(
        *upstreams: keras.KerasTensor, upstream: keras.KerasTensor | None = None
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        # PyTorch's backend passes it by name.
        (passed,) = upstreams if upstream is None else (upstream,)
        return passed, ops.sum(ops.cast(passed, "float32"), axis=(0, 1, 2, 3))

    return ops.add(volume, ops.cast(bias, volume.dtype)), gradient


def build_unet(settings: NetworkSettings, *, synchronized: bool = False) -> keras.Model:
    """Builds the network, image to logits.

    Args:
        settings: Width, depth, labels.
        synchronized: Share batch statistics between replicas (TensorFlow's strategies; other
            backends refuse).

    Returns:
        A model float32 `[batch, x, y, z, channel]` to logits float32 `[batch, x, y, z, label]`;
        axes are multiples of `settings.size_multiple`.

    References:
        Billot et al. 2023, doi:10.1016/j.media.2023.102789.
    """
    image = keras.Input((None, None, None, settings.n_channels), name="unet_input")
    volume = (
        image
        if settings.stem == 1
        else SpaceToDepth(settings.stem, name="unet_space_to_depth")(image)
    )
    skips = []
    deepest = settings.n_levels - 1
    for level in range(settings.n_levels):
        layer_names = names.down_convolutions(settings, level)
        volume = _convolutions(volume, settings, layer_names, settings.features_at(level))
        skips.append(volume)
        volume = _normalize(volume, settings, names.down_norm(level), synchronized)
        if level < deepest:
            volume = layers.MaxPooling3D(2, padding="same", name=f"unet_maxpool_{level}")(volume)
    for level in reversed(range(deepest)):
        index = 2 * deepest - level
        volume = layers.UpSampling3D(2, name=f"unet_up_{index}")(volume)
        volume = layers.Concatenate(name=f"unet_merge_{index}")([skips[level], volume])
        layer_names = names.up_convolutions(settings, level)
        volume = _convolutions(volume, settings, layer_names, settings.features_at(level))
        volume = _normalize(volume, settings, names.up_norm(settings, level), synchronized)
    answered = settings.n_labels * settings.stem**3
    logits = layers.Conv3D(answered, 1, dtype="float32", name=names.LOGITS)(volume)
    if settings.stem > 1:
        logits = DepthToSpace(settings.stem, dtype="float32", name="unet_depth_to_space")(logits)
    return keras.Model(image, logits, name="unet")


def _convolutions(
    volume: keras.KerasTensor,
    settings: NetworkSettings,
    layer_names: list[str],
    features: int,
) -> keras.KerasTensor:
    for name in layer_names:
        volume = Convolution(
            features,
            settings.kernel_size,
            padding="same",
            activation=settings.activation,
            name=name,
        )(volume)
    return volume


def _normalize(
    volume: keras.KerasTensor, settings: NetworkSettings, name: str, synchronized: bool
) -> keras.KerasTensor:
    if settings.normalization == "instance":
        return InstanceNormalization(epsilon=1e-3, name=name)(volume)
    extra = {"synchronized": True} if synchronized else {}
    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name, **extra)(volume)
