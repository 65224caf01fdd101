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
from synthseg_trainer.network.bundle import Bundle
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

    Args:
        own: The network's weights, where it cannot take the other's.
        network: Its shape.
        labels: What its channels mean.
        path: Run, checkpoint, bundle, or weights from Keras.

    Raises:
        CheckpointError: There is none, or the network is another.
    """
    bundle = load_network(path)
    _check_network(path, bundle, network)
    weights = dict(bundle.weights)
    if bundle.labels.values != labels.values:
        weights |= {name: own[name] for name in own if name.startswith(f"{LOGITS}/")}
    return weights


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
