"""The segmentation network: a 3-D U-Net whose layers carry the names of the original.

So official weights load by name. Builds on any Keras backend; importing this module imports Keras,
but not the settings alone: `NetworkSettings` is in `synthseg_trainer.config`.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers, ops

from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import layer_names as names
from synthseg_trainer.network.blocks import DepthToSpace, SpaceToDepth
from synthseg_trainer.network.instance_norm import InstanceNormalization

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
    folded = (
        image
        if settings.stem == 1
        else SpaceToDepth(settings.stem, name="unet_space_to_depth")(image)
    )
    volume = folded
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
    if settings.detail_features:
        detail = layers.Concatenate(name="unet_merge_detail")([volume, folded])
        detail = _convolutions(detail, settings, [names.DETAIL], settings.detail_features)
        detail = _normalize(detail, settings, names.DETAIL_NORM, synchronized)
        volume = layers.Concatenate(name="unet_merge_likelihood")([volume, detail])
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
