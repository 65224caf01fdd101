"""What the original computes for any scan, step by step as its behaviour is written down.

Slow and simple on purpose, and nothing of the client's is used: plain NumPy and SciPy around the
plain Keras network. It is itself held to the recorded outputs, and serves where none was recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from loading import load_image
from nibabel.spatialimages import SpatialImage
from scipy import ndimage
from scipy.interpolate import RegularGridInterpolator

THRESHOLD, FAST_THRESHOLD, NODES = 0.25, 0.2, 32


@dataclass(frozen=True)
class Labels:
    """What the network's channels mean: values, flips, topological classes, all `[label]`."""

    values: np.ndarray
    flips: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class Prediction:
    """Label map, posteriors, volumes in mm³ without background, and the scan at 1 mm."""

    labels: np.ndarray
    posteriors: np.ndarray
    volumes: np.ndarray
    image: np.ndarray
    affine: np.ndarray
    resampled: bool


def predict(
    path: Path,
    network: Callable[[np.ndarray], np.ndarray],
    labels: Labels,
    *,
    crop: list[int] | None = None,
    fast: bool = False,
    ct: bool = False,
) -> Prediction:
    """Segments a file; `network` takes float32 `[x, y, z]` to softmax `[x, y, z, label]`."""
    image, affine, sizes = _load(path)
    resampled = bool(np.any((sizes > 1.05) | (sizes < 0.95)))
    if resampled:
        image, affine = _resample(image, affine)
        sizes = np.ones(3)
    axes = _ras_axes(affine)
    ras = _turn(image, axes, affine)
    crop = None if crop is None else [-(-c // NODES) * NODES for c in crop * (3 // len(crop))]
    first = [0] * 3 if crop is None else _starts(ras.shape, crop)
    last = [min(a + c, n) for a, c, n in zip(first, crop or ras.shape, ras.shape, strict=True)]
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    volume = _rescale(np.clip(ras[box], 0, 80) if ct else ras[box])
    least = crop or [128] * 3
    grid = [max(-(-n // NODES) * NODES, c) for n, c in zip(volume.shape, least, strict=True)]
    front = [(g - n) // 2 for g, n in zip(grid, volume.shape, strict=True)]
    inner = tuple(slice(a, a + n) for a, n in zip(front, volume.shape, strict=True))
    padded = np.zeros(grid, np.float32)
    padded[inner] = volume
    found = _smooth(network(padded))
    if not fast:
        mirrored = _smooth(network(padded[::-1]))[::-1]
        found = 0.5 * (found + mirrored[..., labels.flips])
    clean = _clean(found[inner], labels) if fast else _clean_classes(found, labels)[inner]
    posteriors = np.zeros((*ras.shape, len(labels.values)), np.float32)
    posteriors[..., 0] = 1
    posteriors[box] = clean
    volumes = clean.reshape(-1, clean.shape[-1]).sum(axis=0, dtype=np.float64)[1:] * np.prod(sizes)
    back = _turn_back(posteriors, axes, affine)
    best = labels.values[back.argmax(axis=-1)]
    return Prediction(best, back, np.around(volumes, 3), image, affine, resampled)


def _load(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if path.suffix == ".npz":
        return np.load(path)["vol_data"].astype(float).squeeze(), np.eye(4), np.ones(3)
    loaded = load_image(path)
    image = np.squeeze(loaded.get_fdata())
    image = image[..., 0] if image.ndim == 4 else image
    return image, np.asarray(loaded.affine), _sizes(loaded)


def _sizes(loaded: SpatialImage) -> np.ndarray:
    header: Any = loaded.header
    sizes = header["delta"] if isinstance(loaded, nib.MGHImage) else header["pixdim"][1:4]
    return np.array(sizes, np.float64)


def _resample(image: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    factor = np.sqrt(np.sum(affine[:-1, :-1] ** 2, axis=0))
    sigma = np.where(factor > 1, 0, 0.25 / factor)
    image = ndimage.gaussian_filter(image, sigma)
    known = RegularGridInterpolator([np.arange(n) for n in image.shape], image)
    start, step = -(factor - 1) / (2 * factor), 1 / factor
    ends = start + step * np.ceil(np.array(image.shape) * factor)
    lines = [
        np.clip(np.arange(a, b, s), 0, n - 1)
        for a, b, s, n in zip(start, ends, step, image.shape, strict=True)
    ]
    moved = affine.copy()
    moved[:-1, :-1] /= factor
    moved[:-1, -1] -= moved[:-1, :-1] @ (0.5 * (factor - 1))
    return known(tuple(np.meshgrid(*lines, indexing="ij"))), moved


def _ras_axes(affine: np.ndarray) -> np.ndarray:
    axes = np.argmax(np.abs(np.linalg.inv(affine)[:3, :3]), axis=0)
    for index in range(3):
        if index not in axes:
            values, counts = np.unique(axes, return_counts=True)
            twice = next(a for a in axes if counts[values == a] == counts.max())
            axes[np.flatnonzero(axes == twice)[-1]] = index
    return np.asarray(axes)


def _signs(axes: np.ndarray, affine: np.ndarray) -> tuple[slice, ...]:
    return tuple(slice(None, None, -1 if affine[w, a] < 0 else 1) for w, a in enumerate(axes))


def _turn(array: np.ndarray, axes: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return np.transpose(array, axes)[_signs(axes, affine)]


def _turn_back(array: np.ndarray, axes: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return np.transpose(array[_signs(axes, affine)], (*np.argsort(axes), 3))


def _starts(shape: tuple[int, ...], crop: list[int]) -> list[int]:
    return [max(int((n - c) / 2), 0) for n, c in zip(shape, crop, strict=True)]


def _rescale(volume: np.ndarray) -> np.ndarray:
    low, high = np.percentile(volume, [0.5, 99.5])
    return (np.clip(volume, low, high) - low) / (high - low) if high > low else 0 * volume


def _smooth(posteriors: np.ndarray) -> np.ndarray:
    line = np.exp(-2.0 * np.array([1, 0, 1]))
    line /= line.sum()
    for axis in range(3):
        posteriors = ndimage.convolve1d(posteriors, line, axis, mode="constant")
    return posteriors


def _largest(mask: np.ndarray) -> np.ndarray:
    pieces, count = ndimage.label(mask)
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1 if count else mask


def _one_piece(found: np.ndarray) -> np.ndarray:
    brain = _largest(found[..., 1:].sum(axis=-1) > THRESHOLD)
    return np.concatenate([found[..., :1], found[..., 1:] * brain[..., None]], axis=-1)


def _clean_classes(found: np.ndarray, labels: Labels) -> np.ndarray:
    found = _one_piece(found)
    likely = found > THRESHOLD
    for which in np.unique(labels.classes)[1:]:
        members = np.flatnonzero(labels.classes == which)
        found[..., members] *= _largest(np.any(likely[..., members], axis=-1))[..., None]
    return np.asarray(found / found.sum(axis=-1, keepdims=True))


def _clean(found: np.ndarray, labels: Labels) -> np.ndarray:
    found = _one_piece(found)
    found[..., 1:] *= found[..., 1:] > FAST_THRESHOLD
    return np.asarray(found / found.sum(axis=-1, keepdims=True))
