"""The weights that a run begins with."""

from __future__ import annotations

import numpy as np
from synthseg_common.labels import SegmentationLabels
from synthseg_generator.feed.samples import Shard

from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import assign_weights, weights_of
from synthseg_trainer.places import Place
from synthseg_trainer.runs.initial import initial_weights
from synthseg_trainer.training.failures import made
from synthseg_trainer.training.learner import Learner
from synthseg_trainer.training.sources import BatchSource

# Samples whose labels are counted before the first step.
_COUNTED_SAMPLES = 4


def start_from_label_sizes(learner: Learner, network: NetworkSettings, source: BatchSource) -> None:
    """Starts the last layer at the labels' log frequencies, which Adam learns slowly.

    Raises:
        TrainerError: A sample cannot be made.
    """
    counts = np.ones(network.n_labels)
    for batch in made(source.dataset(Shard(count=_COUNTED_SAMPLES)).batch(1)):
        _, target = source.render(batch)
        counts += np.bincount(np.ravel(target), minlength=len(counts))
    logits = np.log(counts / counts.sum())
    learner.head.bias.assign(np.tile(logits, network.stem**3))


def start_from_network(
    learner: Learner, network: NetworkSettings, labels: SegmentationLabels, path: Place
) -> None:
    """Starts at the weights of another network, see `initial_weights`.

    Raises:
        CheckpointError: There is none, or the network is another.
    """
    own = weights_of(learner.model)
    assign_weights(learner.model, initial_weights(own, network, labels, path))
