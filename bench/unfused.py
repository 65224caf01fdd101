"""SynthSeg's generative model step by step at full size: the baseline of bench_generator_sample.py.

Plain TensorFlow, written from a description of the original: the whole map is deformed before it is
cropped, fields are enlarged by looking up eight corners per voxel, blur is a convolution, and
slices are picked and enlarged again. It takes the parameters of a sample as our generator draws
them, so that both make the same image. Corners are looked up one after the other: all at once, as
TensorFlow would by itself, they take more memory than the original did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Tensor = Any

SQUARINGS = 7
CLIP = 300.0
SIGMA_PER_MM = 0.75
NATIVE_SIGMA = 0.5
# Half the window of the blur for slices of up to 8 mm.
REACH = 7


def make_sample(
    values: Tensor,
    row: dict[str, Tensor],
    noise: Tensor,
    crop: Sequence[int],
    flipped: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """One image and its labels.

    Args:
        values: int32 `[x, y, z]`, the label map as indices into the label table.
        row: Parameters of the sample.
        noise: float32 `[x, y, z, 1]` in the crop's shape, standard normal.
        crop: Voxels of the crop.
        flipped: For every label, that of the other side.

    Returns:
        float32 `[x, y, z, 1]` in [0, 1], and int32 `[x, y, z]`.
    """
    labels = deform(values, row["velocity"], row["matrix"])
    labels = tf.slice(labels, row["crop_start"], crop)
    labels = tf.where(row["flip"], tf.gather(flipped, tf.reverse(labels, [0])), labels)
    image = tf.gather(row["means"], labels) + tf.gather(row["stds"], labels) * noise
    image *= tf.exp(enlarge(row["log_bias"], crop))
    image = tf.clip_by_value(image, 0.0, CLIP)
    low, high = tf.reduce_min(image), tf.reduce_max(image)
    image = ((image - low) / tf.maximum(high - low, 1e-7)) ** row["gamma"]
    spacing, thickness = row["spacing_mm"][0], row["thickness_mm"][0]
    extent = tf.minimum(spacing, thickness)
    sigma = tf.where(extent == 1.0, NATIVE_SIGMA, SIGMA_PER_MM * extent) * row["blur_factor"][0]
    return acquire(blur(image, sigma), spacing, crop), labels


def deform(values: Tensor, velocity: Tensor, matrix: Tensor) -> Tensor:
    """Warps a whole map: elastic first, then affine, nearest voxel."""
    shape = values.shape
    half = [side // 2 for side in shape]
    field = enlarge(velocity, half) / 2**SQUARINGS
    identity = grid(half)
    for _ in range(SQUARINGS):
        field += look_up(field, identity + field)
    centre = (tf.constant(list(shape), tf.float32) - 1) / 2
    offset = grid(shape) - centre + enlarge(field, shape)
    place = tf.einsum("dc,xyzc->xyzd", matrix[:, :3], offset) + matrix[:, 3] + centre
    index = tf.cast(tf.round(place), tf.int32)
    index = tf.clip_by_value(index, 0, tf.constant(list(shape)) - 1)
    return tf.gather_nd(values, index)


def blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Three convolutions, one along each axis."""
    window = tf.range(-REACH, REACH + 1, dtype=tf.float32)
    image = image[tf.newaxis]
    for axis in range(3):
        kernel = tf.exp(-0.5 * (window / sigma[axis]) ** 2)
        shape = [1] * 5
        shape[axis] = 2 * REACH + 1
        kernel = tf.reshape(kernel / tf.reduce_sum(kernel), shape)
        image = tf.nn.conv3d(image, kernel, strides=[1] * 5, padding="SAME")
    return image[0]


def acquire(image: Tensor, spacing: Tensor, crop: Sequence[int]) -> Tensor:
    """Picks the slices that the scanner acquires, and enlarges them to the crop again."""
    shape = tf.constant(crop, tf.float32)
    acquired = tf.floor(shape / spacing)
    # The grid keeps the crop's size; only its first `acquired` voxels are looked at.
    source = tf.clip_by_value(tf.round(grid(crop) * (shape / acquired)), 0.0, shape - 1)
    coarse = tf.gather_nd(image, tf.cast(source, tf.int32))
    return look_up(coarse, grid(crop) * (acquired / shape))


def grid(shape: Sequence[int]) -> Tensor:
    """Coordinates of all voxels: float32 `[x, y, z, 3]`."""
    axes = [tf.range(side, dtype=tf.float32) for side in shape]
    return tf.stack(tf.meshgrid(*axes, indexing="ij"), axis=-1)


def enlarge(volume: Tensor, shape: Sequence[int]) -> Tensor:
    """Enlarges linearly: voxel i looks at `i · n_in / n_out`."""
    factor = tf.constant([n / side for n, side in zip(volume.shape, shape, strict=False)])
    return look_up(volume, grid(shape) * factor)


def look_up(volume: Tensor, place: Tensor) -> Tensor:
    """Trilinear look-up at `[..., 3]`, clamped at the edges."""
    last = tf.constant(list(volume.shape[:3]), tf.float32) - 1
    place = tf.clip_by_value(place, 0.0, last)
    lower = tf.floor(place)
    upper = tf.minimum(lower + 1, last)
    share = place - lower
    total = tf.zeros((*place.shape[:-1], volume.shape[3]))
    for corner in range(8):
        with tf.control_dependencies([total]):
            side = [bool(corner >> axis & 1) for axis in range(3)]
            ends = [(upper if up else lower)[..., a] for a, up in enumerate(side)]
            index = tf.cast(tf.stack(ends, axis=-1), tf.int32)
            weight = tf.ones(place.shape[:-1])
            for axis, up in enumerate(side):
                weight *= share[..., axis] if up else 1 - share[..., axis]
            total += weight[..., tf.newaxis] * tf.gather_nd(volume, index)
    return total
