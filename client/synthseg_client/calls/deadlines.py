"""How long an answer may take; light."""

from __future__ import annotations

SHORT_TIMEOUT_S = 60.0
"""Deadline of requests that compute nothing."""
LOADING_TIMEOUT_S = 900.0
"""The same where the server may have to load a model first."""
_BASE_TIMEOUT_S = 180.0
# Two slow cores need about 30 µs a voxel and pass with the full network; the rest is for queues and
# busy machines.
_TIMEOUT_S_PER_VOXEL = 1e-4


def default_timeout_s(voxels: int, flip: bool = True) -> float:
    """Deadline of a segmentation in seconds.

    A server computes on for a client that has gone unless the request carries a deadline, so there
    always is one.

    Args:
        voxels: Of the volume that is sent.
        flip: Whether the mirrored volume is segmented too.
    """
    return _BASE_TIMEOUT_S + voxels * _TIMEOUT_S_PER_VOXEL * (2 if flip else 1)
