"""The robust chain as one graph: segment roughly, denoise, segment again with that at hand.

Billot et al. 2023, doi:10.1073/pnas.2216399120. Between the networks travel label maps, so that no
dense probabilities exist between them.
"""

from __future__ import annotations

import tensorflow as tf
from synthseg_trainer.aliases import Weights
from synthseg_trainer.network.bundle import Bundle

from synthseg_serving.inference import Segmenter
from synthseg_serving.official.denoiser import DENOISER, merges_deep_levels
from synthseg_serving.official.networks import ROBUST
from synthseg_serving.slabs import for_each_slab
from synthseg_serving.unet import ServedUnet


class Denoiser(ServedUnet):
    """The denoiser, from one-hot groups to probabilities of groups."""

    def merges(self, level: int) -> bool:
        """See `denoiser`."""
        return merges_deep_levels(level)


class RobustSegmenter(Segmenter):
    """The three networks of the robust chain, asked and answering as a plain one.

    It neither averages with a mirrored pass nor blurs, whatever the request says.
    """

    smooths = False
    input_channels = 1 + DENOISER.n_labels

    def __init__(self, weights: Weights, info: dict[str, object]) -> None:
        """Takes the released weights.

        Args:
            weights: Arrays by the file's `<layer>/<variable>`.
            info: What `describe` answers as `model_info`.

        Raises:
            WeightsError: They are not the three networks'.
        """
        rough, denoiser, final = ROBUST.parts
        groups = tuple(range(DENOISER.n_labels))
        bundle = Bundle(
            network=final.network,
            labels=ROBUST.labels,
            weights=final.weights(weights),
            info={"mirrored": False},
        )
        super().__init__(bundle, info)
        self.rough = ServedUnet(rough.network, rough.weights(weights), groups)
        self.denoiser = Denoiser(denoiser.network, denoiser.weights(weights), groups)

    def restore(self, session: tf.compat.v1.Session) -> None:
        """Gives the variables of the three networks their values."""
        for network in (self.rough, self.denoiser, self.unet):
            network.restore(session)

    def network_input(self, volume: tf.Tensor) -> tf.Tensor:
        """The image beside the denoised groups, float32 `[x, y, z, 6]`."""
        groups = self.denoised_groups(self.rough_groups(volume))
        return tf.concat([volume, _one_hot(groups)], axis=-1)

    def rough_groups(self, volume: tf.Tensor) -> tf.Tensor:
        """Groups of the first network, uint8 `[x, y, z]`."""
        return _most_probable(self.rough, volume)

    def denoised_groups(self, groups: tf.Tensor) -> tf.Tensor:
        """Groups as the denoiser mends them, uint8 `[x, y, z]`."""
        return _most_probable(self.denoiser, _one_hot(groups))


def _one_hot(groups: tf.Tensor) -> tf.Tensor:
    return tf.one_hot(tf.cast(groups, tf.int32), DENOISER.n_labels, dtype=tf.float32)


def _most_probable(network: ServedUnet, volume: tf.Tensor) -> tf.Tensor:
    """The first of the most probable channels at each voxel, uint8 `[x, y, z]`."""
    slab, count = network.probabilities_in_slabs(volume, margin=0, mirrored=False)

    def body(index: tf.Tensor, found: tf.TensorArray) -> tuple[tf.TensorArray]:
        return (found.write(index, tf.cast(tf.argmax(slab(index), axis=-1), tf.uint8)),)

    (found,) = for_each_slab(count, body, (tf.TensorArray(tf.uint8, count, infer_shape=False),))
    return tf.ensure_shape(found.concat(), [None, None, None])
