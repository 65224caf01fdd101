"""Blocks of voxels folded into channels, and back. Builds on any Keras backend."""

from __future__ import annotations

import keras
from keras import layers, ops


def fold(volume: keras.KerasTensor, block: int) -> keras.KerasTensor:
    """Folds blocks of `block`³ voxels into channels, as `SpaceToDepth` says."""
    batch, *shape, channels = ops.shape(volume)
    x, y, z = (n // block for n in shape)
    volume = ops.reshape(volume, (batch, x, block, y, block, z, block, channels))
    volume = ops.transpose(volume, (0, 1, 3, 5, 2, 4, 6, 7))
    return ops.reshape(volume, (batch, x, y, z, block**3 * channels))


def unfold(volume: keras.KerasTensor, block: int) -> keras.KerasTensor:
    """The way back of `fold`: channels into blocks of `block`³ voxels."""
    batch, x, y, z, folded = ops.shape(volume)
    channels = folded // block**3
    volume = ops.reshape(volume, (batch, x, y, z, block, block, block, channels))
    volume = ops.transpose(volume, (0, 1, 4, 2, 5, 3, 6, 7))
    return ops.reshape(volume, (batch, x * block, y * block, z * block, channels))


class _Blocks(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A layer that knows the edge of its blocks."""

    def __init__(self, block: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.block = block

    def get_config(self) -> dict[str, object]:
        """Settings from which Keras builds the layer again."""
        return {**super().get_config(), "block": self.block}


@keras.saving.register_keras_serializable("synthseg")
class SpaceToDepth(_Blocks):
    """Folds blocks of s³ voxels into channels: `[b, x, y, z, c]` to `[b, x/s, y/s, z/s, s³·c]`.

    The sub-voxel runs x slowest, z faster, the original channel fastest.
    """

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


@keras.saving.register_keras_serializable("synthseg")
class DepthToSpace(_Blocks):
    """The way back of `SpaceToDepth`: `[b, x, y, z, s³·c]` to `[b, x·s, y·s, z·s, c]`."""

    def call(self, volume: keras.KerasTensor) -> keras.KerasTensor:
        """Unfolds; the channels must be a multiple of `block`³."""
        return unfold(volume, self.block)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the unfolded volume."""
        batch, *axes, folded = shape
        return (batch, *(n and n * self.block for n in axes), folded and folded // self.block**3)
