"""What feeds the generator: ingest, plan and stream with one and two Dask worker processes.

Workers are started before the clock is. Processor time per sample, of the consumer and of all
workers together, says more than the clock on a busy machine.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_maps import write_label_maps
from synthseg_generator.cluster import open_cluster
from synthseg_generator.config import GeneratorSettings
from synthseg_generator.dask_plan import write_plan
from synthseg_generator.ingest import ingest
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.samples import SampleSource, Shard
from synthseg_generator.store import open_store
from synthseg_generator.stream import SampleStream, StreamSettings

N_MAPS = 8
N_ROWS = 2048
N_SAMPLES = 96
N_WARM = 6 * N_MAPS
WORKERS = (1, 2)


def seconds(action: Callable[[], object]) -> float:
    """Time on the clock."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def cpu_seconds() -> float:
    """Processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(client: Any, maps: Path, root: Path, workers: int) -> dict[str, str]:
    """One column of the table."""
    address, path = client.scheduler.address, root / f"{workers}.zarr"
    table = LABEL_TABLES["v2"]
    ingested = seconds(lambda: ingest(maps, path, table, scheduler=address))
    source = SampleSource(open_store(path), GeneratorSettings(), seed=1)
    plan = root / f"plan{workers}.zarr"
    planned = seconds(lambda: write_plan(source, N_ROWS, plan, scheduler=address))
    return {
        "ingest": f"{ingested / N_MAPS:.2f} s per map",
        "plan": f"{N_ROWS / planned:.0f} rows/s",
        "stream, maps in memory": stream_cell(SampleStream(client, source, StreamSettings())),
    }


def stream_cell(stream: SampleStream) -> str:
    """What a stream gives once its workers hold the maps."""
    for _ in stream.samples(Shard(count=N_WARM)):
        pass
    before = cpu_seconds(), sum(stream.client.run(cpu_seconds).values())
    started = time.perf_counter()
    sent = sum(s.labels.nbytes for s in stream.samples(Shard(first=N_WARM, count=N_SAMPLES)))
    elapsed = time.perf_counter() - started
    after = cpu_seconds(), sum(stream.client.run(cpu_seconds).values())
    here, there = (1e3 * (b - a) / N_SAMPLES for a, b in zip(before, after, strict=True))
    return (
        f"{N_SAMPLES / elapsed:.0f} samples/s, {sent / 1e6 / elapsed:.0f} MB/s; "
        f"CPU per sample {here:.0f} ms here, {there:.0f} ms in workers"
    )


def main() -> None:
    """Prints one table."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        maps = write_label_maps(root / "maps", N_MAPS)
        columns = []
        for workers in WORKERS:
            with open_cluster(workers) as client:
                columns.append(measure(client, maps, root, workers))
        print("### Feeding the generator: 256³ maps, 160³ crops\n")
        print("| | 1 worker | 2 workers |\n|---|---|---|")
        for name in columns[0]:
            print(f"| {name} | {' | '.join(column[name] for column in columns)} |")


if __name__ == "__main__":
    main()
