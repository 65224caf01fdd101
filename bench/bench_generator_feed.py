"""What feeds the generator: ingest, plan and stream with one and two Dask worker processes.

Workers are started before the clock is. Processor time, of this process and of all workers
together, says more than the clock on a busy machine.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_maps import write_label_maps
from synthseg_generator.cluster.connection import open_cluster
from synthseg_generator.feed.plan_writing import write_plan
from synthseg_generator.feed.samples import SampleSource, Shard
from synthseg_generator.feed.stream import SampleStream, StreamSettings
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import open_store

N_MAPS = 8
N_ROWS = 2048
N_SAMPLES = 96
N_WARM = 6 * N_MAPS
WORKERS = (1, 2)


@dataclass(frozen=True)
class Cost:
    """What an action took: on the clock, of this process, and of all workers, in seconds."""

    wall_s: float
    here_s: float
    workers_s: float


def cost(client: Any, action: Callable[[], object]) -> Cost:
    """Runs an action and measures it."""
    before = cpu_seconds(), sum(client.run(cpu_seconds).values())
    started = time.perf_counter()
    action()
    elapsed = time.perf_counter() - started
    after = cpu_seconds(), sum(client.run(cpu_seconds).values())
    return Cost(elapsed, after[0] - before[0], after[1] - before[1])


def cpu_seconds() -> float:
    """Processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(client: Any, maps: Path, root: Path, workers: int) -> dict[str, str]:
    """One column of the table."""
    address, path = client.scheduler.address, root / f"{workers}.zarr"
    table, plan = LABEL_TABLES["v2"], root / f"plan{workers}.zarr"
    ingested = cost(client, lambda: ingest(maps, path, table, scheduler=address))
    source = SampleSource(open_store(path), GeneratorSettings(), seed=1)
    planned = cost(client, lambda: write_plan(source, N_ROWS, plan, scheduler=address))
    stream = SampleStream(client, source, StreamSettings())
    for _ in stream.samples(Shard(count=N_WARM)):
        pass  # from here on the workers hold the maps
    sent: list[int] = []
    shard = Shard(first=N_WARM, count=N_SAMPLES)
    streamed = cost(client, lambda: sent.extend(s.labels.nbytes for s in stream.samples(shard)))
    return {
        "ingest": f"{ingested.wall_s / N_MAPS:.2f} s per map; {cpu_per(ingested, N_MAPS)}",
        "plan": f"{N_ROWS / planned.wall_s:.0f} rows/s; {cpu_per(planned, N_ROWS)}",
        "stream, maps in memory": (
            f"{N_SAMPLES / streamed.wall_s:.0f} samples/s, "
            f"{sum(sent) / 1e6 / streamed.wall_s:.0f} MB/s; {cpu_per(streamed, N_SAMPLES)}"
        ),
    }


def cpu_per(spent: Cost, count: int) -> str:
    """Processor time for each of some things."""
    here, workers = (1e3 * seconds / count for seconds in (spent.here_s, spent.workers_s))
    return f"CPU for each {here:.1f} ms here, {workers:.1f} ms in workers"


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
