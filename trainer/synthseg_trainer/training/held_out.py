"""How well a network in training does on synthetic scans of maps that it does not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_generator.feed.samples import Shard

from synthseg_trainer.aliases import Batch, Picture, Tensor
from synthseg_trainer.evaluation.overlap import dice_scores, mean_of_present
from synthseg_trainer.network.blocks import unfold
from synthseg_trainer.network.head import head_logits
from synthseg_trainer.runs.sample_picture import sample_picture
from synthseg_trainer.training.failures import made

if TYPE_CHECKING:
    from synthseg_trainer.training.learner import Learner
    from synthseg_trainer.training.sources import BatchSource


@dataclass(frozen=True)
class HeldOutScores:
    """Scores of a network on held-out scans.

    Attributes:
        dice: Mean hard Dice by label value, without background; NaN for a label that is in none.
        names: Structure by label value.
        picture: uint8 `[height, width, 3]`: the first scan, what was to be found, what was found.
    """

    dice: Mapping[int, float]
    names: Mapping[int, str]
    picture: Picture

    @property
    def mean(self) -> float:
        """Mean over the structures that have a score; NaN for none."""
        present = [score for score in self.dice.values() if np.isfinite(score)]
        return float(np.mean(present)) if present else float("nan")


class HeldOutScorer:
    """Scores a network on always the same scans.

    Args:
        source: Makes the scans.
        learner: Has the network.
        stem: Edge of the network's blocks.
        labels: Label values and names of the channels.
        samples: How many scans.
    """

    def __init__(
        self,
        source: BatchSource,
        learner: Learner,
        stem: int,
        labels: tuple[Sequence[int], Sequence[str]],
        samples: int,
    ) -> None:
        self._source = source
        self._learner = learner
        self._stem = stem
        self._values, self._names = labels
        # What differs in size would have as many graphs, each with its own memory.
        self._scans = source.dataset(Shard(count=samples)).batch(1, drop_remainder=True)
        signature = [self._scans.element_spec]
        self._compiled = tf.function(self._answer, input_signature=signature, autograph=False)

    def __call__(self) -> HeldOutScores:
        """Scores the network as it is now, with averaged weights if there are any."""
        scores: list[FloatArray] = []
        picture = np.zeros((1, 1, 3), np.uint8)
        channels = range(len(self._values))
        with self._learner.averaged():
            for batch in made(self._scans):
                image, target, answer = (value.numpy()[0] for value in self._compiled(batch))
                if not scores:
                    values = np.array(self._values)
                    picture = sample_picture(image[..., 0], values[target], values[answer])
                scores.append(dice_scores(target, answer, channels))
        means = mean_of_present(np.array(scores))
        return HeldOutScores(
            dice={v: float(m) for v, m in zip(self._values[1:], means[1:], strict=True)},
            names=dict(zip(self._values, self._names, strict=True)),
            picture=picture,
        )

    def _answer(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Images, and true and answered channels in the order of the voxels."""
        image, target = self._source.render(batch)
        learner, stem = self._learner, self._stem
        logits = head_logits(learner.head, learner.body(image, training=False), stem)
        folded = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return image, target, unfold(folded, stem)[..., 0]
