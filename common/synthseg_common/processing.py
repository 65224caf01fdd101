"""Numbers of the way from a scan to a network and back, in training, serving and client alike.

They are the original's (Billot et al. 2023, doi:10.1016/j.media.2023.102789). Nothing of weight is
imported here.
"""

from __future__ import annotations

VOXEL_MM = 1.0
"""Voxel size that networks were trained at, unless the model names another."""
INPUT_PERCENTILES = (0.5, 99.5)
"""Percentiles over all voxels of a scan that become 0 and 1 for the network."""
SMOOTHING_SIGMA_VOXELS = 0.5
"""Width of the Gaussian that smooths the probabilities."""
DEFAULT_LIMIT = 192
"""Voxels per axis that go to the network unless told otherwise: enough for any head when placed on
it.
"""


def mirrored_shift(stem: int) -> int:
    """Voxels by which the mirrored pass is shifted along y and z, so that it sees other blocks.

    A network behind a stem folds the scan into blocks of stem³ voxels, and mirroring alone leaves
    them as they are. Shifted by half a block, the second pass errs elsewhere than the first.

    Args:
        stem: Edge of the blocks; 1, as in the original, for none.

    Returns:
        Half a block; 0 where there are none.
    """
    return stem // 2
