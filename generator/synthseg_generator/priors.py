"""Intensity priors: how bright each tissue is in scans of one contrast.

For every scan and class the median and the median absolute deviation (MAD) of the voxels are taken;
over scans their mean and standard deviation become a normal prior of the class's mean, and of its
standard deviation.

The original multiplied the MAD by 1.4826, so that it estimates the standard deviation of a Gaussian
(`median_absolute_deviation` of SciPy 1.4, `Mad.GAUSSIAN` here). With later SciPy the same code
falls back to a function that does not, and its deviations shrink by that factor (`Mad.RAW`). A
mixture of Gaussians needs the first, so it is the default; the second reproduces priors made so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from synthseg_common.errors import ImageError
from synthseg_common.files import write_array, write_text
from synthseg_common.images import (
    ENDINGS,
    read_header,
    read_values,
    tell_notes,
    to_ras,
    volume_files,
)
from synthseg_common.labels import (
    CONTRAST_SPECIFIC_CLASSES,
    GENERATION_V2,
    GenerationLabels,
)

from synthseg_generator.arrays import Doubles, Integers
from synthseg_generator.errors import LabelError
from synthseg_generator.problems import Problem, name_some, note_problems, raise_problems
from synthseg_generator.settings.generator import Prior

# Official scaling: these percentiles of a scan become 0 and 255.
RESCALE_PERCENTILES = (2.0, 98.0)
RESCALE_RANGE = (0.0, 255.0)
_LEAST_TAIL = 0.02
_BACKGROUND_CLASS = 0
_GRID_TOLERANCE_MM = 1e-2


class Mad(Enum):
    """What the median absolute deviation is multiplied by; see the module's text."""

    GAUSSIAN = 1.4826
    RAW = 1.0


@dataclass(frozen=True, kw_only=True)
class PriorSettings:
    """How priors are estimated.

    Attributes:
        values: Label values that are looked at; others are ignored.
        classes: Intensity class of each, numbered 0, 1, 2, ...
        rescale: Whether each scan is scaled to [0, 255] first, between its 2nd and 98th percentile.
        mad: Convention of the deviations.
    """

    values: tuple[int, ...]
    classes: tuple[int, ...]
    rescale: bool = True
    mad: Mad = Mad.GAUSSIAN

    def __post_init__(self) -> None:
        """Refuses lists that do not belong together.

        Raises:
            LabelError: Lengths differ, or class numbers have gaps.
        """
        if len(self.values) != len(self.classes) or not self.values:
            raise LabelError(
                f"priors need one class per label, got {len(self.values)} labels and "
                f"{len(self.classes)} classes."
            )
        if sorted(set(self.classes)) != list(range(max(self.classes) + 1)):
            raise LabelError(f"classes must number 0, 1, 2, ..., got {sorted(set(self.classes))}.")


@dataclass(frozen=True, eq=False)
class IntensityPriors:
    """Estimated priors.

    Attributes:
        means: float64 `[channel, 2, class]`: mean and standard deviation over scans of the medians.
        stds: float64 `[channel, 2, class]`: the same of the deviations.
    """

    means: Doubles
    stds: Doubles

    def to_mixture(self) -> dict[str, Any]:
        """The priors as the `mixture` group of a settings file: one known contrast per channel."""
        return {
            "specific_means": [_normal_prior(rows) for rows in self.means],
            "specific_stds": [_normal_prior(rows) for rows in self.stds],
        }

    def to_priors(self) -> tuple[tuple[Prior, ...], tuple[Prior, ...]]:
        """The priors as values of `Mixture.specific_means` and `Mixture.specific_stds`."""
        means, stds = (
            tuple(
                Prior(distribution="normal", rows=tuple(zip(*rows.tolist(), strict=True)))
                for rows in part
            )
            for part in (self.means, self.stds)
        )
        return means, stds


def estimate_priors(
    scans: Sequence[Path], label_maps: Sequence[Path], settings: PriorSettings
) -> IntensityPriors:
    """Estimates the priors of one contrast, or of one contrast per channel.

    Args:
        scans: Scans, in NIfTI or MGH format; a fourth axis holds channels.
        label_maps: Label map of each, on the same grid (axes may be stored in another order).
        settings: Labels, classes and conventions.

    Returns:
        Priors of every channel.

    Raises:
        LabelError: Files are unreadable or do not fit together; all of them are told.
    """
    if not scans or len(scans) != len(label_maps):
        raise LabelError(
            f"priors need a label map per scan, got {len(scans)} and {len(label_maps)}."
        )
    statistics: list[tuple[Path, Doubles]] = []
    problems: list[Problem] = []
    for scan, label_map in zip(scans, label_maps, strict=True):
        with note_problems(problems):
            statistics.append((scan, _scan_statistics(scan, label_map, settings)))
    problems += _odd_channels(statistics)
    raise_problems(problems, "the scans and label maps")
    # scan, channel, (mean, deviation), class
    table = np.array([found for _, found in statistics])
    over_scans = np.stack([table.mean(axis=0), table.std(axis=0)], axis=-2)
    return IntensityPriors(means=over_scans[:, 0], stds=over_scans[:, 1])


def _scan_statistics(scan: Path, label_map: Path, settings: PriorSettings) -> Doubles:
    """float64 `[channel, 2, class]` of one scan, see `measure_classes`."""
    image, labels = read_pair(scan, label_map)
    if not all(np.isfinite(channel).any() for channel in _channels(image)):
        raise LabelError(f"{scan} holds no finite voxel in one of its channels.")
    with np.errstate(invalid="ignore"):  # of infinities, which are told
        found = np.array([measure_classes(c, labels, settings) for c in _channels(image)])
    # Percentiles and medians know no value of a few infinite voxels.
    if not np.isfinite(found).all() or np.isinf(image).mean() >= _LEAST_TAIL:
        raise LabelError(f"{scan} holds so many infinite voxels that a class has no median.")
    return found


def _odd_channels(statistics: Sequence[tuple[Path, Doubles]]) -> list[Problem]:
    """Scans with another number of channels than most; who has which where none do."""
    by_count: dict[int, list[str]] = {}
    for scan, found in statistics:
        by_count.setdefault(len(found), []).append(scan.name)
    if len(by_count) < 2:
        return []
    most = max(by_count, key=lambda count: len(by_count[count]))
    if 2 * len(by_count[most]) <= len(statistics):
        listed = "; ".join(f"{count} in {name_some(names)}" for count, names in by_count.items())
        return [Problem(LabelError(f"the scans have several numbers of channels: {listed}."))]
    return [
        Problem(LabelError(f"{scan} has {len(found)} channels, expected {most} as most scans."))
        for scan, found in statistics
        if len(found) != most
    ]


def measure_classes(image: Doubles, labels: Integers, settings: PriorSettings) -> Doubles:
    """Median and deviation of every class in one channel of one scan.

    Args:
        image: float `[x, y, z]`.
        labels: Integers `[x, y, z]`, label values.
        settings: Labels, classes and conventions.

    Returns:
        float64 `[2, class]`; 0 where a class has no voxel.
    """
    if settings.rescale:
        image = rescale(image)
    result = np.zeros((2, max(settings.classes) + 1))
    for number in range(result.shape[1]):
        values = [v for v, c in zip(settings.values, settings.classes, strict=True) if c == number]
        voxels = image[np.isin(labels, values)]
        voxels = voxels[~np.isnan(voxels)]
        if number != _BACKGROUND_CLASS:
            # Zeros inside the head are masked-out or never imaged, not tissue (official rule).
            voxels = voxels[voxels > 0]
        if voxels.size:
            middle = np.nanmedian(voxels)
            result[:, number] = middle, settings.mad.value * np.nanmedian(np.abs(voxels - middle))
    return result


def rescale(image: Doubles) -> Doubles:
    """Scales a scan so that its 2nd and 98th percentiles become 0 and 255, and cuts the rest.

    Returns:
        float64 of the same shape; all 0 for a constant scan.
    """
    low, high = np.nanpercentile(image, RESCALE_PERCENTILES)
    if low == high:
        return np.zeros(image.shape)
    new_low, new_high = RESCALE_RANGE
    share: Doubles = (np.clip(image, low, high) - low) / (high - low)
    return new_low + share * (new_high - new_low)


def read_pair(scan: Path, label_map: Path) -> tuple[Doubles, Integers]:
    """Reads a scan and its labels, both aligned to RAS.

    Returns:
        Image float64 `[x, y, z, channel]`, labels int64 `[x, y, z]`.

    Raises:
        LabelError: One is unreadable, or they do not share a grid.
    """
    image, image_affine = _read(scan)
    labels, labels_affine = _read(label_map)
    labels = (
        labels.reshape(labels.shape[:3]) if labels.size == np.prod(labels.shape[:3]) else labels
    )
    if labels.ndim != 3:
        raise LabelError(f"{label_map} has shape {labels.shape}, expected three dimensions.")
    if image.shape[:3] != labels.shape or not np.allclose(
        image_affine, labels_affine, atol=_GRID_TOLERANCE_MM
    ):
        raise LabelError(
            f"{scan} and {label_map} lie on different grids (shapes {image.shape[:3]} and "
            f"{labels.shape}): resample one to the other."
        )
    return image.reshape(*labels.shape, -1), np.rint(labels).astype(np.int64)


def find_pairs(scan_folder: Path, label_folder: Path) -> list[tuple[Path, Path]]:
    """Scans and label maps of two folders, matched in the sorted order of their names.

    Raises:
        LabelError: A folder holds none, or they hold unequal numbers.
    """
    scans, label_maps = _volumes(scan_folder), _volumes(label_folder)
    if len(scans) != len(label_maps):
        raise LabelError(
            f"{scan_folder} holds {len(scans)} scans, {label_folder} {len(label_maps)} label maps: "
            "expected as many."
        )
    return list(zip(scans, label_maps, strict=True))


def save_priors(priors: IntensityPriors, folder: Path) -> list[Path]:
    """Writes priors for our settings and in the original's layout.

    Returns:
        Paths of `mixture.yaml` (for a settings file), and of `prior_means.npy` and
        `prior_stds.npy` (two rows per channel, one column per class).

    Raises:
        OutputError: A file cannot be written.
    """
    import yaml

    n_classes = priors.means.shape[-1]
    paths = [folder / name for name in ("mixture.yaml", "prior_means.npy", "prior_stds.npy")]
    write_text(paths[0], yaml.safe_dump({"mixture": priors.to_mixture()}, default_flow_style=None))
    write_array(paths[1], priors.means.reshape(-1, n_classes))
    write_array(paths[2], priors.stds.reshape(-1, n_classes))
    return paths


def _normal_prior(rows: Doubles) -> dict[str, Any]:
    return {"distribution": "normal", "rows": np.round(rows.T, 4).tolist()}


def _channels(image: Doubles) -> Iterator[Doubles]:
    yield from np.moveaxis(image, -1, 0)


def _volumes(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise LabelError(f"{folder} is no folder.")
    paths = volume_files(folder)
    if not paths:
        raise LabelError(f"{folder} holds no volume ({', '.join(ENDINGS)}).")
    return paths


def _read(path: Path) -> tuple[Doubles, Doubles]:
    try:
        header = read_header(path)
        tell_notes(header)
        return to_ras(read_values(header).astype(np.float64), header.placement.affine)
    except ImageError as error:
        raise LabelError(str(error)) from error


def find_tissue_classes(labels: GenerationLabels) -> tuple[int, ...]:
    """The original's contrast-specific classes, for the released label table.

    Raises:
        LabelError: The table is another.
    """
    if labels.values != GENERATION_V2.values:
        raise LabelError("tissue classes are known for the released label table alone.")
    return CONTRAST_SPECIFIC_CLASSES
