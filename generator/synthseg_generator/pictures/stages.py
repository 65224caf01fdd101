"""One sample step by step, from the label map to the image: a figure that explains the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from synthseg_common.arrays import AnyArray, Float32Array
from synthseg_common.colours import paint_labels

from synthseg_generator.brain_generator import BrainGenerator
from synthseg_generator.pictures.figures import make_black_figure, save_figure, turn_upright

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMN_INCHES = 2.4


def make_stages(generator: BrainGenerator, k: int) -> dict[str, AnyArray]:
    """The volumes that lead to sample `k`, in order.

    Returns:
        By title: label values `[x, y, z]` int32 first (the map, then warped and cropped), then
        images float32 `[x, y, z]` of the first channel; the last is the sample's image.

    Raises:
        ConfigError: The settings do not fit the label maps.
        StoreError: The label map cannot be read.
    """
    from synthseg_generator.graph.intensity import (
        apply_bias_field,
        apply_clip,
        apply_gamma,
        apply_normalisation,
    )
    from synthseg_generator.graph.noise import draw_voxel_noise
    from synthseg_generator.graph.synthesizer import Synthesizer

    source = generator.source
    settings, labels = source.settings, source.labels
    row = source.parameters(k).to_row()
    ids = source.label_map(int(row["map_index"]))
    synthesize = Synthesizer(settings, labels, source.map_shape, generator.voxel_size_mm)
    warped = synthesize.deform(ids, row)
    noise = draw_voxel_noise(row["noise_seed"], synthesize.noise_shape)
    mixture = synthesize.mix(warped, row, noise)
    biased = apply_clip(apply_bias_field(mixture, row["log_bias"]), settings.clip)
    contrasted = apply_gamma(apply_normalisation(biased), row["gamma"])
    values = np.array(labels.values, np.int32)
    return {
        "label map": values[ids],
        "warped, cropped": values[np.asarray(warped)],
        "mixture of Gaussians": _first_channel(mixture),
        "bias field": _first_channel(biased),
        "gamma": _first_channel(contrasted),
        "resolution": generator.sample(k).image[..., 0],
    }


def draw_stages(
    generator: BrainGenerator, destination: Path, n_samples: int, first: int = 0
) -> None:
    """Draws the stages of samples, one row each; the same samples give the same picture.

    Args:
        generator: Makes the samples.
        destination: Picture, in a format that matplotlib knows by its extension.
        n_samples: How many samples.
        first: Number of the first.

    Raises:
        ConfigError: The settings do not fit the label maps.
        OutputError: The picture cannot be written.
        StoreError: It cannot be written in this format, or a label map cannot be read.
    """
    rows = [make_stages(generator, k) for k in range(first, first + n_samples)]
    figure, axes = make_black_figure(n_samples, len(rows[0]), _COLUMN_INCHES)
    for places, stages in zip(axes, rows, strict=True):
        for place, (title, volume) in zip(places, stages.items(), strict=True):
            _show(place, volume)
            place.set_title(title, color="white", fontsize=9)
    save_figure(figure, destination)


def _show(place: Axes, volume: AnyArray) -> None:
    """Shows a coronal plane: through the middle of labels, and of the volume for images."""
    if volume.dtype == np.int32:
        plane = paint_labels(np.take(volume, volume.shape[1] // 2, axis=1))
    else:
        plane = np.take(volume, volume.shape[1] // 2, axis=1)
    place.imshow(turn_upright(plane), cmap="gray", interpolation="nearest")
    place.set_axis_off()


def _first_channel(image: Any) -> Float32Array:
    return np.asarray(image)[..., 0]
