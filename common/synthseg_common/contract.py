"""What client and server agree on: names, dtypes, axes and units of request and answer.

Nothing of weight is imported here, so that any part may read it.

A request is one volume. An answer is labels, or the evidence from which the client cleans up labels
and volumes. Foreground voxels are those whose probability of being any structure exceeds
`FOREGROUND_THRESHOLD`; `N` is their number, in C order over the padded network grid. `L` is the
number of labels (channels, ascending label values, background first), `X, Y, Z` the image's shape,
axes in RAS order at 1 mm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

VERSION = 1
"""Version of this contract; the model's answer to `describe` carries the one it was exported with.
"""

MODEL_NAME = "synthseg"
"""Name under which a model is served unless told otherwise."""
ROBUST_MODEL_NAME = "synthseg_robust"
"""Name of the chain of networks for scans of any quality."""
V1_MODEL_NAME = "synthseg_v1"
"""Name of SynthSeg 1.0 beside 2.0."""
PARCELS_MODEL_NAME = "synthseg_parcels"
"""Name of the network that divides the cortex."""
QUALITY_MODEL_NAME = "synthseg_quality"
"""Name of the network that scores a segmentation."""

SEGMENT_SIGNATURE = "serving_default"
DESCRIBE_SIGNATURE = "describe"

# Request of `serving_default`.
IMAGE = "image"
"""float32 `[X, Y, Z]`: one channel, RAS axes, voxels of `voxel_size_mm`, any intensity unit, every
value finite.
"""
MIN_SIZE = "min_size"
"""int32 `[3]`, default 128 each: the network grid is at least this, then rounded up to a multiple
of 32.
"""
FLIP = "flip"
"""bool scalar, default true: average with the left-right mirrored pass."""
SMOOTH = "smooth"
"""bool scalar, default true: blur the probabilities a little, as the released models were meant to.
"""

# Answer of `serving_default`. `output_filter` chooses; what is not asked for does not travel.
LABELS = "labels"
"""uint8, uint16 or int32 `[X, Y, Z]` (smallest that holds the table): label values before any
clean-up.
"""
NETWORK_LABELS = "network_labels"
"""uint8, uint16 or int32 `[network_shape]`: `labels` over the whole padded network grid: what
models of parcels and of quality are asked with.
"""
NETWORK_SHAPE = "network_shape"
"""int32 `[3]`: shape of the padded network grid."""
OFFSET = "offset"
"""int32 `[3]`: where voxel (0, 0, 0) of the image lies in the network grid."""
FOREGROUND = "foreground"
"""uint8 `[ceil(prod(network_shape) / 8)]`: bit per voxel of the network grid, C order, most
significant first.
"""
FIXED_PROBABILITY = "fixed_probability"
"""float16 `[N, F]`: probabilities of the channels in `fixed_channels`."""
FIXED_CHANNELS = "fixed_channels"
"""int32 `[F]`: background, then every channel of topological class 0 (which no component filters).
"""
TOP_PROBABILITY = "top_probability"
"""float16 `[N, K]`: the K largest probabilities among the other channels, descending."""
TOP_CHANNELS = "top_channels"
"""uint8 or uint16 `[N, K]`: the channels of `top_probability`."""
POSTERIORS = "posteriors"
"""float16 `[N, L]`: probabilities of every channel at the foreground voxels."""

EVIDENCE = (
    NETWORK_SHAPE,
    OFFSET,
    FOREGROUND,
    FIXED_PROBABILITY,
    FIXED_CHANNELS,
    TOP_PROBABILITY,
    TOP_CHANNELS,
)
"""Outputs from which labels and volumes are cleaned up; small whatever the number of labels."""
DENSE = (NETWORK_SHAPE, OFFSET, FOREGROUND, POSTERIORS)
"""The same with every channel: what posterior maps need, and what small volumes use."""
TOP_K = 5
"""Number of strongest channels in the evidence."""
FOREGROUND_THRESHOLD = 0.25
"""Sum of the structures' probabilities above which a voxel may belong to the brain (official
clean-up).
"""
CLASS_THRESHOLD = 0.25
"""Probability above which the clean-up takes a voxel for part of its topological class."""
FAST_THRESHOLD = 0.2
"""Probability that a label must exceed in the fast clean-up, else it is dropped."""

# Answer of `describe`, which takes no input. Every array has one row per channel.
LABEL_VALUES = "label_values"
"""int32 `[L]`: label values, ascending, background first."""
LABEL_NAMES = "label_names"
"""string `[L]`: structure names, UTF-8."""
TOPOLOGY_CLASSES = "topology_classes"
"""int32 `[L]`: channels of one class keep their common largest component; class 0 is not filtered.
"""
FLIP_CHANNELS = "flip_channels"
"""int32 `[L]`: the channel of the same structure on the other side; midline channels name
themselves.
"""
MODEL_INFO = "model_info"
"""string scalar, JSON object: `contract` (VERSION), `name`, `version`, `network`, `training`,
`licence`; `anatomy` (`BRAIN` if it is not there), `voxel_size_mm` (1 if it is not there),
`mirrored`, whether the network was trained on mirrored volumes (true if it is not there; if false,
`flip` has no effect), and `MAX_VOXELS` and `BYTES_PER_VOXEL` (unknown if they are not there).
"""
BRAIN = "brain"
"""In `model_info`: the anatomy of the released models."""
MAX_VOXELS = "max_voxels"
"""In `model_info`: voxels that the network grid may have, as `counted_voxels` counts them; requests
for more are refused.
"""
BYTES_PER_VOXEL = "bytes_per_voxel"
"""In `model_info`: about how much memory a request takes at a server, in bytes per counted voxel of
the network grid.
"""

FAST_CLEAN_UP = "fast_clean_up"
"""In `model_info`: true if answers are meant for the fast clean-up alone, whatever is asked."""
ROLE = "role"
"""In `model_info`: what the model does, one of the following; `SEGMENTER` if it is not there."""
SEGMENTER = "segmenter"
"""Answers label maps from images."""
PARCELLATOR = "parcellator"
"""Answers cortical parcels from an image and its label map."""
SCORER = "scorer"
"""Answers quality scores from a label map."""

# Request of a parcellator, beside IMAGE (the one that was segmented), SMOOTH, and NETWORK_LABELS as
# the segmenter answered them, as uint8.
CLEAN_LABELS = "clean_labels"
"""uint8 `[X, Y, Z]`: the final label map on the image's grid; parcels divide its cortex."""
BY_HEMISPHERE = "by_hemisphere"
"""bool scalar, default true: voxels of one side's cortex get parcels of that side only."""

# Answer of a parcellator.
PARCELS = "parcels"
"""uint16 `[X, Y, Z]`: a parcel's value where `clean_labels` says cortex, 0 elsewhere."""
PARCEL_VOXELS = "parcel_voxels"
"""float64 `[L]`: sum of each channel's probabilities over the image, in voxels, scaled so that a
voxel's sum to 1 in the cortex, and with one of background outside; 0 for background.
"""

# Request of a scorer, beside NETWORK_LABELS as uint8.
SCORED_SIZE = "scored_size"
"""int32 scalar, default 224, a multiple of 16: edge of the cube around the brain that is scored."""
UNFRAMED_LABEL = "unframed_label"
"""int32 scalar, default 24: the label that counts as background when the cube is placed."""

# Answer of a scorer.
SCORES = "scores"
"""float32 `[L - 1]`: predicted Dice of every group but background, in 0 to 1."""

SCORED_SIZE_MULTIPLE = 16
DEFAULT_SCORED_SIZE = 224
LARGEST_SCORED_SIZE = 512

# Why a request was refused, where the code alone does not say it: trailing metadata of the embedded
# server.
REASON = "synthseg-reason"
TOO_LARGE = "too-large"
"""The request will never fit: a smaller one may."""
QUEUE_FULL = "queue-full"
"""The same request may be answered later."""
MEMORY_FULL = "memory-full"
"""The same: requests that wait or compute hold the memory that it needs."""

RETRY_AFTER = "grpc-retry-pushback-ms"
"""When a refused request has a chance, in milliseconds: gRPC's own name (gRFC A6), in the trailing
metadata.
"""

SIZE_MULTIPLE = 32
"""Network grids are multiples of this."""
DEFAULT_MIN_SIZE = 128
"""Least network grid per axis when no crop is asked for."""
LARGEST_AXIS = 1024
"""Voxels that any axis of the network grid may have."""
DEFAULT_MAX_VOXELS = 320**3
"""Voxels that a model takes unless it was exported with another number: a whole head at 1 mm in any
field of view that scanners use, as 256 x 256 x 320 or 320 x 320 x 256.
"""
LEAST_COUNTED_X = 128
"""The network works in slabs across x, whose memory a grid that is short along x does not save: it
counts as this long.
"""


def is_brain(info: Mapping[str, object]) -> bool:
    """Whether what is true of brains alone may be expected of a model that says this of itself."""
    return info.get("anatomy", BRAIN) == BRAIN


def network_grid(shape: Sequence[int], min_size: Sequence[int]) -> tuple[int, int, int]:
    """Shape of the padded volume that the network works on.

    Args:
        shape: Of the image, three sizes in voxels.
        min_size: As in the request.
    """
    x, y, z = (
        -(-max(int(n), int(least)) // SIZE_MULTIPLE) * SIZE_MULTIPLE
        for n, least in zip(shape, min_size, strict=True)
    )
    return x, y, z


def counted_voxels(grid: Sequence[int]) -> int:
    """Voxels of a network grid as `MAX_VOXELS` and `BYTES_PER_VOXEL` count them."""
    x, y, z = grid
    return max(x, LEAST_COUNTED_X) * y * z
