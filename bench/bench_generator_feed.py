"""What feeds the generator: ingest, plan and stream with one and two Dask worker processes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from synthseg_generator.config import GeneratorSettings
from synthseg_generator.dask_plan import write_plan
from synthseg_generator.ingest import ingest
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.samples import SampleSource, Shard
from synthseg_generator.store import open_store
from synthseg_generator.stream import StreamSettings, open_stream

N_MAPS = 8
N_ROWS = 2000
N_SAMPLES = 100
SHARED = Path(os.environ.get("SYNTHSEG_SHARED_DATA", "../shared/data")) / "label_maps"


def label_maps(folder: Path) -> Path:
    """Maps of 256³ at 1 mm: the official ones where they are, else blobs of their labels."""
    files = sorted(SHARED.glob("*.nii.gz"))[:N_MAPS]
    folder.mkdir()
    for file in files:
        (folder / file.name).symlink_to(file.resolve())
    rng = np.random.default_rng(0)
    for i in range(N_MAPS - len(files)):
        blobs = rng.choice(LABEL_TABLES["v2"].labels.values, (16, 16, 16)).astype(np.int16)
        volume = np.kron(blobs, np.ones((16, 16, 16), np.int16))
        nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / f"blobs{i}.nii.gz")
    return folder


def seconds(action: Callable[[], object]) -> float:
    """Time on the clock."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def stream_line(source: SampleSource, workers: int) -> str:
    """Samples per second of a stream whose workers hold the maps already."""
    with open_stream(source, StreamSettings(workers=workers)) as stream:
        for _ in stream.samples(Shard(count=6 * N_MAPS)):
            pass
        started = time.perf_counter()
        sent = sum(s.labels.nbytes for s in stream.samples(Shard(count=N_SAMPLES)))
        elapsed = time.perf_counter() - started
    return f"{N_SAMPLES / elapsed:.1f} samples/s, {sent / 1e6 / elapsed:.0f} MB/s"


def main() -> None:
    """Prints one table; the times of ingest and plan contain the start of the workers."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        maps = label_maps(root / "maps")
        print("### Feeding the generator: 256³ maps, 160³ crops\n")
        print("| | 1 process | 2 processes |\n|---|---|---|")
        ingests = [
            seconds(lambda n=n: ingest(maps, root / f"{n}.zarr", LABEL_TABLES["v2"], workers=n))
            for n in (1, 2)
        ]
        print("| ingest | " + " | ".join(f"{t / N_MAPS:.2f} s per map" for t in ingests) + " |")
        source = SampleSource(open_store(root / "1.zarr"), GeneratorSettings(), seed=1)
        plans = [
            seconds(lambda n=n: write_plan(source, N_ROWS, root / f"plan{n}.zarr", workers=n))
            for n in (1, 2)
        ]
        print("| plan | " + " | ".join(f"{N_ROWS / t:.0f} rows/s" for t in plans) + " |")
        lines = [stream_line(source, n) for n in (1, 2)]
        print(f"| stream, maps in memory | {' | '.join(lines)} |")


if __name__ == "__main__":
    main()
