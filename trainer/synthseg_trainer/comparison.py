"""Segmentations of scans against other segmentations of the same scans, as files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from synthseg_trainer.errors import TrainerError
from synthseg_trainer.evaluate import dice_scores

_EXTENSIONS = (".nii", ".nii.gz", ".mgz", ".mgh")
_LEFT_PARCELS, _RIGHT_PARCELS, _PARCELS_END = 1000, 2000, 3000
_LEFT_CORTEX, _RIGHT_CORTEX = 3, 42


class ComparisonError(TrainerError, ValueError):
    """Label maps are missing, unreadable, or have nothing in common."""


@dataclass(frozen=True)
class Comparison:
    """Scores of one scan.

    Attributes:
        name: Name of the answer's file.
        scores: Dice by label value, for the labels that are in the answer and in the truth, or in
            one of them and known to both sets of scans.
    """

    name: str
    scores: dict[int, float]

    @property
    def mean(self) -> float:
        """Mean over the structures."""
        return float(np.mean(list(self.scores.values())))


def compare(truth: Path, answers: Path, *, merge_parcels: bool = False) -> list[Comparison]:
    """Scores label maps by Dice; background is left out.

    Args:
        truth: A label map, or a folder of them.
        answers: A label map, or a folder with files of the same names; others in either folder are
            not looked at.
        merge_parcels: Read FreeSurfer's cortical parcels (1xxx, 2xxx) as cortex (3, 42).

    Raises:
        ComparisonError: A file is missing or unreadable, or two maps share no label.
    """
    pairs = _pairs(truth, answers)
    return [_compare(*pair, merge_parcels) for pair in pairs]


def write_table(path: Path, rows: list[Comparison]) -> None:
    """Writes scores as CSV: one row per scan, one column per label value, then the mean."""
    labels = sorted({label for row in rows for label in row.scores})
    temporary = path.with_name(f".{path.name}.writing")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["subject", *labels, "mean"])
        for row in rows:
            cells = [f"{row.scores[label]:.4f}" if label in row.scores else "" for label in labels]
            table.writerow([row.name, *cells, f"{row.mean:.4f}"])
    temporary.replace(path)


def _pairs(truth: Path, answers: Path) -> list[tuple[Path, Path]]:
    for path in (truth, answers):
        if not path.exists():
            raise ComparisonError(f"{path}: no such file or folder.")
    if truth.is_dir() != answers.is_dir():
        raise ComparisonError(f"{truth} and {answers} must be two label maps or two folders.")
    if truth.is_file():
        return [(truth, answers)]
    names = sorted(p.name for p in truth.iterdir() if p.name.endswith(_EXTENSIONS))
    pairs = [(truth / name, answers / name) for name in names if (answers / name).is_file()]
    if not pairs:
        raise ComparisonError(f"{truth} and {answers} hold no label maps of the same name.")
    return pairs


def _compare(truth: Path, answer: Path, merge_parcels: bool) -> Comparison:
    (expected, affine), (found, grid) = (_read(path, merge_parcels) for path in (truth, answer))
    expected = _on_grid(expected, affine, found.shape, grid)
    labels = sorted((set(np.unique(expected)) & set(np.unique(found))) - {0})
    if not labels:
        raise ComparisonError(f"{answer} and {truth} have no label in common.")
    scores = dice_scores(expected, found, labels)
    pairs = zip(labels, scores, strict=True)
    return Comparison(answer.name, {int(label): float(s) for label, s in pairs})


def _read(path: Path, merge_parcels: bool) -> tuple[np.ndarray, np.ndarray]:
    try:
        image = nib.load(path)
        labels = np.rint(np.squeeze(np.asanyarray(image.dataobj))).astype(np.int32)
        affine = np.asarray(image.affine)
    except (OSError, ValueError, EOFError, nib.filebasedimages.ImageFileError) as error:
        raise ComparisonError(f"{path} is no readable label map: {error}") from error
    if labels.ndim != 3:
        raise ComparisonError(f"{path} has {labels.ndim} dimensions, expected 3.")
    if merge_parcels:
        labels[(labels >= _LEFT_PARCELS) & (labels < _RIGHT_PARCELS)] = _LEFT_CORTEX
        labels[(labels >= _RIGHT_PARCELS) & (labels < _PARCELS_END)] = _RIGHT_CORTEX
    return labels, affine


def _on_grid(
    labels: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], grid: np.ndarray
) -> np.ndarray:
    """The label at each voxel of another grid, nearest neighbour; background outside."""
    if labels.shape == shape and np.allclose(affine, grid, atol=1e-4):
        return labels
    from scipy.ndimage import affine_transform

    mapping = np.linalg.inv(affine) @ grid
    on_grid: np.ndarray = affine_transform(
        labels, mapping[:3, :3], mapping[:3, 3], output_shape=shape, order=0
    )
    return on_grid
