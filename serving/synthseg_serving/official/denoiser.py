"""The denoiser of the robust chain: a U-Net on segmentations that joins its deep levels only.

Billot et al. 2023, doi:10.1073/pnas.2216399120: with skip connections at the fine levels it would
copy the mistakes that it is there to mend.
"""

from __future__ import annotations

from synthseg_trainer.config import NetworkSettings

DENOISER = NetworkSettings(n_labels=5, n_channels=5, features=16, kernel_size=5)
"""Shape of the released one; labels are groups of tissues, background first."""
_FINEST_MERGED = 2


def merges_deep_levels(level: int) -> bool:
    """Whether a level, 0 the finest, has a skip connection."""
    return level >= _FINEST_MERGED
