"""Lesions within structures: where a smooth random field is high. Runs on any Keras backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from synthseg_generator.graph.interpolation import enlarge, place_enlarged

Tensor = Any

# Width of the Gaussian around a node, in distances of nodes: so wide that they do not show.
_SIGMA_NODES = 0.6


def smooth_field(nodes: Tensor, shape: Sequence[int]) -> Tensor:
    """Random numbers at nodes to a smooth field that varies alike everywhere.

    Args:
        nodes: float32 `[i, j, k]`, standard normal.
        shape: Voxels of the field.

    Returns:
        float32 of that shape; if `nodes` are standard normal, so is each of its values.
    """
    weights = [_make_weights(int(n), int(size)) for n, size in zip(shape, nodes.shape, strict=True)]
    return enlarge(nodes[..., None], weights)[..., 0]


def _make_weights(n_out: int, n_nodes: int) -> Tensor:
    """Gaussians around the nodes; the squares of each row sum to 1: float32 `[n_out, n_nodes]`."""
    nodes = ops.cast(ops.arange(n_nodes), "float32")
    apart = (place_enlarged(n_out, n_nodes)[:, None] - nodes[None, :]) / _SIGMA_NODES
    weights = ops.exp(-0.5 * ops.square(apart))
    return weights / ops.sqrt(ops.sum(ops.square(weights), axis=1, keepdims=True))


def find_lesions(labels: Tensor, nodes: Tensor, threshold: Tensor, affected: Tensor) -> Tensor:
    """Where lesions are.

    Args:
        labels: Integers `[x, y, z]`, indices into the label table.
        nodes: float32 `[i, j, k]`, standard normal, spread over the volume.
        threshold: float32 scalar; there are lesions where the smooth field is higher.
        affected: bool `[label]`, labels that may have lesions.

    Returns:
        bool `[x, y, z]`.
    """
    high = smooth_field(nodes, labels.shape) > threshold
    return high & ops.take(affected, labels, axis=0)
