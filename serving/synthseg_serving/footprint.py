"""How much memory a request takes at a server, from the shape of the network.

Peaks measured with two passes and every voxel in the foreground, in bytes per voxel of the network
grid, beside what is estimated here (TensorFlow 2.21, oneDNN on, 2 threads, 33 labels):

| network | grid | labels and evidence | with posteriors | estimate |
|---|---|---|---|---|
| the original: 24 features, batch normalisation | 160³ | 548 | 523 | 505 |
| | 192³ | | 455 | |
| the shipped one: stem 2, 32 features, 64 for details, instance | 128³ | 463 | | 473 |
| | 160³ | 422 | | |
| the small shipped one: stem 2, 16 features, instance | 160³ | 364 | 328 | 393 |
| | 192 x 256 x 192 | 338 | | |
| stem 2, 16 features, 4 levels, instance | 160³ | 351 | 350 | 393 |

Of the other networks of SynthSeg 2.0, through the embedded server:

| network | grid | 2 threads | 1 thread | estimate |
|---|---|---|---|---|
| the robust chain | 160³ | 449 | | 505, of its last network |
| | 192³ | 400 | 429 | |
| parcels | 160³ | 408 | | 484 |
| | 192³ | 472 | 383 | |
| quality scores | 224³ | 167 | 164 | 170 |

The server's process held 2.7 GB at most while it scored 224³, 4.2 GB for the others at 192³.

Grids that are short along x take more per voxel, since a slab is a larger part of them: at
32 x 256 x 256 the original takes 971, the small shipped one 999, at 64 x 192 x 176 they take 842
and 520. With x counted as 128 at least, these are 243, 250, 421 and 260. In a real head a quarter
of the voxels is foreground, which leaves about 100 bytes for the copies of the answer while it is
written.
`tests/serving/test_footprint.py` measures again.
"""

from __future__ import annotations

from synthseg_trainer.config import NetworkSettings

_BYTES_PER_FEATURE = 4
# The image as it came, rescaled, padded and mirrored.
_IMAGE_BYTES = 16
# Three for the probabilities of the mirrored pass; two for those that are answered, twice while
# they are joined; two for what the slab at work holds of them in float32.
_BYTES_PER_LABEL = 9
# Where no probabilities are kept: what the slab at work holds of them.
_BYTES_PER_LABEL_AT_WORK = 4
# Of the finest level: the skip connection, and the levels below with the slab at work; with
# instance normalisation whole volumes before and after each step.
_FINEST_VOLUMES = {"batch": 2, "instance": 10}


SCORER_BYTES_PER_VOXEL = 170
"""Of the network of quality scores, by voxels of a cube that is full; a head takes less."""


def bytes_per_voxel(network: NetworkSettings, keeps_probabilities: bool = True) -> int:
    """Estimated memory of one request in bytes per counted voxel of the network grid.

    Args:
        network: Its shape.
        keeps_probabilities: Whether they leave the slab that they were computed in.
    """
    finest = network.features_at(0) * _BYTES_PER_FEATURE / network.stem**3
    per_label = _BYTES_PER_LABEL if keeps_probabilities else _BYTES_PER_LABEL_AT_WORK
    return round(
        _IMAGE_BYTES
        + per_label * network.n_labels
        + _FINEST_VOLUMES[network.normalization] * finest
    )
