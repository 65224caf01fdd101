"""Synthetic or augmented scans as NIfTI files, with as many processes as wanted, resumable."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from synthseg_common.arrays import AnyArray
from synthseg_common.files import replacing, write_text

from synthseg_generator.arrays import AffineMatrix
from synthseg_generator.cluster.jobs import run_all
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.scan_generator import choose_generator
from synthseg_generator.settings.files import complete_mapping
from synthseg_generator.store.label_store import find_cubic_voxel_size_mm

MANIFEST = "generate.json"
MANIFEST_VERSION = 1


@dataclass(frozen=True)
class GenerateReport:
    """What `generate` did.

    Attributes:
        written: Numbers of the samples that were made.
        kept: Numbers of the samples that were there already.
    """

    written: tuple[int, ...]
    kept: tuple[int, ...]


def generate(
    source: SampleSource,
    folder: Path,
    n_samples: int,
    *,
    first: int = 0,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> GenerateReport:
    """Writes samples as `sample-00000_image.nii.gz` and `sample-00000_labels.nii.gz`.

    Samples that are there are kept, so an interrupted or shorter run goes on where it ended. A
    manifest says what the samples are; a folder of other samples is refused.

    Args:
        source: Which samples: drawn from a seed, planned, or of the store's scans.
        folder: Where to write.
        n_samples: How many samples.
        first: Number of the first.
        workers: Processes that make samples, each with a TensorFlow of its own; 1 starts none.
        scheduler: Address of a running Dask scheduler to use instead; its workers must reach the
            store and the folder.
        progress: Called with the number of finished and of all samples.

    Raises:
        ConfigError: The settings do not fit the label maps, or there are fewer planned samples.
        OutputError: A file cannot be written.
        StoreError: The folder holds other samples.
    """
    planned = source.n_samples
    if n_samples < 1 or (planned is not None and first + n_samples > planned):
        limit = "" if planned is None else f" and at most the {planned} of the plan"
        got = f"{n_samples} from {first} on" if first else f"{n_samples}"
        raise ConfigError(f"generate makes at least one sample{limit}, got {got}.")
    find_cubic_voxel_size_mm(source.store)
    source.parameters(0)  # what does not fit shows here, before any worker starts
    _check_manifest(source, folder)
    wanted = range(first, first + n_samples)
    todo = [k for k in wanted if not all(p.exists() for p in name_sample_files(folder, k))]
    written = run_all(
        write_sample,
        [(k,) for k in todo],
        shared=(source, str(folder.absolute())),
        workers=workers,
        scheduler=scheduler,
    )
    for done, _ in enumerate(written, start=1):
        if progress is not None:
            progress(n_samples - len(todo) + done, n_samples)
    kept = tuple(k for k in wanted if k not in set(todo))
    return GenerateReport(tuple(todo), kept)


def write_sample(source: SampleSource, folder: str, k: int) -> None:
    """Makes one sample and writes its two files; runs in a worker."""
    samples = choose_generator(source)
    sample = samples.sample(k)
    affine = samples.affine(k)
    image_path, labels_path = name_sample_files(Path(folder), k)
    image = sample.image[..., 0] if sample.image.shape[3] == 1 else sample.image
    targets = source.labels.targets
    kind = np.result_type(np.min_scalar_type(min(targets)), np.min_scalar_type(max(targets)))
    _save(sample.labels.astype(kind), affine, labels_path)
    _save(image, affine, image_path)


def name_sample_files(folder: Path, k: int) -> tuple[Path, Path]:
    """Files of sample `k`: image and labels."""
    return folder / f"sample-{k:05d}_image.nii.gz", folder / f"sample-{k:05d}_labels.nii.gz"


def describe(source: SampleSource) -> dict[str, Any]:
    """What the samples of a folder are, as its manifest says it."""
    return {"format_version": MANIFEST_VERSION, **source.identify()}


def _check_manifest(source: SampleSource, folder: Path) -> None:
    """Writes what the samples of a folder are, or refuses a folder of others.

    Raises:
        OutputError: A file cannot be written.
        StoreError: The folder holds other samples.
    """
    path, wanted = folder / MANIFEST, describe(source)
    # A call that failed before its first sample leaves a manifest of nothing.
    if not path.exists() or not any(folder.glob("sample-*.nii.gz")):
        write_text(path, json.dumps(wanted, indent=1) + "\n")
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    if isinstance(found, dict):
        found["settings"] = complete_mapping(found.get("settings"))
        found.setdefault("scans", None)  # which version 1 did not know at first
    if found != wanted:
        differing = [key for key in wanted if found.get(key) != wanted[key]]
        raise StoreError(
            f"{folder} holds samples with another {', '.join(differing)}: use another folder."
        )


def _save(volume: AnyArray, affine: AffineMatrix, path: Path) -> None:
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    with replacing(path) as temporary:
        nib.save(image, temporary)
