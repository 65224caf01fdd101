"""What a training step computes on: images of a batch, and targets in the order of the logits.

With a stem the last layer answers the sub-voxels of every block in its channels. Losses and scores
do not mind the order of voxels, so targets are folded alike instead of unfolding the large logits.
"""

from __future__ import annotations

import tensorflow as tf
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.store.label_store import find_cubic_voxel_size_mm

from synthseg_trainer.aliases import Tensor
from synthseg_trainer.network.blocks import fold


def make_synthesizer(source: SampleSource) -> Synthesizer:
    """The generative graph for the maps of a source."""
    return Synthesizer(
        source.settings,
        source.store.labels,
        source.map_shape,
        find_cubic_voxel_size_mm(source.store),
    )


def draw_subvoxels(count: int, stem: int, seed: Tensor) -> Tensor:
    """Draws which sub-voxels of each block are scored: int32 `[count]`.

    Args:
        count: How many.
        stem: Edge of the blocks.
        seed: Integers `[2]`, key of the draw.
    """
    order = tf.random.stateless_uniform((stem**3,), seed, alg="philox")
    return tf.argsort(order)[:count]


def fold_target(target: Tensor, stem: int) -> Tensor:
    """Orders targets as the folded logits: `[b, x, y, z]` to `[b, x/s, y/s, z/s, stem³]`."""
    return fold(target[..., None], stem)


def fold_labels(values: Tensor, stem: int) -> Tensor:
    """Orders values of labels likewise: `[x, y, z, l]` to `[x/s, y/s, z/s, stem³, l]`."""
    folded = fold(values[None], stem)[0]
    return tf.reshape(folded, (*folded.shape[:3], stem**3, values.shape[-1]))
