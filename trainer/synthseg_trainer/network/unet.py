"""The segmentation network: a 3-D U-Net whose layers carry the names of the original.

So official weights load by name. Builds on any Keras backend; importing this module imports Keras,
but not the settings alone: `NetworkSettings` is in `synthseg_trainer.config`.
"""

from __future__ import annotations

import keras
from keras import layers

from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import layer_names as names
from synthseg_trainer.network.blocks import DepthToSpace, SpaceToDepth
from synthseg_trainer.network.convolutions import Convolution, UpConvolution
from synthseg_trainer.network.instance_norm import InstanceNormalization


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
        first, *others = names.up_convolutions(settings, level)
        volume = _join(skips[level], volume, settings, first, settings.features_at(level))
        volume = _convolutions(volume, settings, others, settings.features_at(level))
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


def _join(
    skip: keras.KerasTensor,
    low: keras.KerasTensor,
    settings: NetworkSettings,
    layer_name: str,
    features: int,
) -> keras.KerasTensor:
    """Convolves what the way down found beside what comes up from the level below."""
    if settings.kernel_size == UpConvolution.KERNEL_SIZE:
        joined = UpConvolution(features, activation=settings.activation, name=layer_name)
        return joined([skip, low])
    volume = layers.Concatenate()([skip, layers.UpSampling3D(2)(low)])
    return _convolutions(volume, settings, [layer_name], features)


def _normalize(
    volume: keras.KerasTensor, settings: NetworkSettings, name: str, synchronized: bool
) -> keras.KerasTensor:
    if settings.normalization == "instance":
        return InstanceNormalization(epsilon=1e-3, name=name)(volume)
    extra = {"synchronized": True} if synchronized else {}
    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name, **extra)(volume)
