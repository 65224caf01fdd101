"""Weights to begin with: those that another network leaves, and the bias of the last layer.

Importing this module loads no Keras.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from synthseg_common.arrays import AnyArray, FloatArray
from synthseg_common.labels import SegmentationLabels

from synthseg_trainer.aliases import Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.growth import GROWING, can_grow, grown
from synthseg_trainer.network.layer_names import LOGITS
from synthseg_trainer.places import Place
from synthseg_trainer.runs.networks import load_network

COUNTED_SAMPLES = 4
"""Samples whose labels are counted before the first step."""


def bias_of_label_sizes(targets: Iterable[AnyArray], network: NetworkSettings) -> FloatArray:
    """The labels' log frequencies as the bias of the last layer, which Adam learns slowly.

    Args:
        targets: Channels of the network, integers of any shape: those of `COUNTED_SAMPLES`.
        network: Its shape.

    Returns:
        float64 `[stem³·label]`.
    """
    counts = np.ones(network.n_labels)
    for target in targets:
        counts += np.bincount(np.ravel(target), minlength=len(counts))
    logits = np.log(counts / counts.sum())
    bias: FloatArray = np.tile(logits, network.stem**3)
    return bias


def initial_weights(
    own: Weights, network: NetworkSettings, labels: SegmentationLabels, path: Place
) -> Weights:
    """The weights of another network; those of its last layer too if the labels are the same.

    A wider network answers as the other did, see `grown`.

    Args:
        own: The network's weights, where it cannot take the other's.
        network: Its shape.
        labels: What its channels mean.
        path: Run, checkpoint, bundle, or weights from Keras.

    Raises:
        CheckpointError: There is none, or the network does not hold it.
    """
    bundle = load_network(path)
    other = dataclasses.replace(bundle.network, n_labels=network.n_labels)
    if not can_grow(other, network):
        raise CheckpointError(_differences(path, other, network))
    weights = bundle.weights
    if bundle.labels.values != labels.values:
        weights = {name: weights[name] for name in weights if not name.startswith(f"{LOGITS}/")}
    return grown(weights, other, own, network)


def _differences(path: Place, other: NetworkSettings, network: NetworkSettings) -> str:
    wanted = dataclasses.asdict(network)
    differing = [
        f"{name} {value} instead of {wanted[name]}"
        for name, value in dataclasses.asdict(other).items()
        if value != wanted[name]
    ]
    return (
        f"initial_weights: the network in {path} has {', '.join(differing)}; only the labels may "
        f"differ, and {', '.join(GROWING)} be larger here."
    )
