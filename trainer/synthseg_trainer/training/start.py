"""The weights that a run begins with."""

from __future__ import annotations

import dataclasses

import numpy as np
from synthseg_common.labels import SegmentationLabels
from synthseg_generator.feed.samples import Shard

from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import Bundle, assign_weights, weights_of
from synthseg_trainer.network.layer_names import LOGITS
from synthseg_trainer.places import Place
from synthseg_trainer.runs.networks import load_network
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
    """Starts at the weights of another network; its last layer too if the labels are the same.

    Args:
        learner: Takes the weights.
        network: Its network.
        labels: What its channels mean.
        path: Run, checkpoint, bundle, or weights from Keras.

    Raises:
        CheckpointError: There is none, or the network is another.
    """
    bundle = load_network(path)
    _check_network(path, bundle, network)
    weights = dict(bundle.weights)
    if bundle.labels.values != labels.values:
        own = weights_of(learner.model)
        weights |= {name: own[name] for name in own if name.startswith(f"{LOGITS}/")}
    assign_weights(learner.model, weights)


def _check_network(path: Place, bundle: Bundle, network: NetworkSettings) -> None:
    wanted = dataclasses.asdict(dataclasses.replace(network, n_labels=bundle.network.n_labels))
    differing = [
        f"{name} {value} instead of {wanted[name]}"
        for name, value in dataclasses.asdict(bundle.network).items()
        if value != wanted[name]
    ]
    if differing:
        raise CheckpointError(
            f"initial_weights: the network in {path} has {', '.join(differing)}; "
            "only the labels may differ."
        )
