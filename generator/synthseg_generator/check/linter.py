"""Says what is wrong with a set of label maps before a network is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from synthseg_generator.check.findings import (
    Finding,
    MapSummary,
    Severity,
    list_pairs,
    name_label,
    summarise,
)
from synthseg_generator.check.places import find_astray, find_wrong_orientation, find_wrong_sides
from synthseg_generator.cluster.jobs import run_all
from synthseg_generator.errors import ConfigError
from synthseg_generator.label_table import LabelTable
from synthseg_generator.problems import Problem, note_problems, raise_problems
from synthseg_generator.store.label_store import LabelStore, find_cubic_voxel_size_mm

__all__ = ["MIN_VOLUME_MM3", "Finding", "Severity", "check"]

MIN_VOLUME_MM3 = 20.0


def check(
    store: LabelStore,
    *,
    min_volume_mm3: float = MIN_VOLUME_MM3,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Looks for what would spoil a training on these maps.

    Args:
        store: The label maps.
        min_volume_mm3: A structure smaller than this is reported.
        workers: Processes that read maps; with 1 no other process is started.
        scheduler: Address of a running Dask scheduler to use instead.
        progress: Called with the number of finished and of all maps.

    Returns:
        Findings, errors first.

    Raises:
        StoreError: Maps cannot be read; all of them are told.
    """
    jobs = [(name,) for name in store.names]
    found: list[MapSummary | Problem] = []
    for summary in run_all(_summarise, jobs, shared=(store,), workers=workers, scheduler=scheduler):
        found.append(summary)
        if progress is not None:
            progress(len(found), len(jobs))
    problems = [part for part in found if isinstance(part, Problem)]
    raise_problems(problems, f"the label maps of {store.path}")
    summaries = [part for part in found if isinstance(part, MapSummary)]
    findings = [
        *find_stretched_voxels(store),
        *find_absent_labels(store.table, summaries),
        *find_unpaired(store.table, summaries),
        *find_wrong_sides(store.table, summaries),
        *find_astray(store.table, summaries),
        *find_wrong_orientation(store.table, summaries),
        *find_tiny(store, summaries, min_volume_mm3),
    ]
    return sorted(findings, key=lambda finding: finding.severity is Severity.WARNING)


def _summarise(store: LabelStore, name: str) -> MapSummary | Problem:
    """Looks at one map; runs in a worker."""
    problems: list[Problem] = []
    with note_problems(problems):
        return summarise(store, name)
    return problems[0]


def find_stretched_voxels(store: LabelStore) -> Iterator[Finding]:
    """Voxels that are no cubes, which the generative model needs."""
    try:
        find_cubic_voxel_size_mm(store)
    except ConfigError as error:
        yield Finding(Severity.ERROR, (), str(error))


def find_absent_labels(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Labels of the table that no map, or not every map, holds; maps without any structure."""
    labels = table.labels
    counts = np.array([summary.counts for summary in summaries])
    targets = np.array(labels.targets, dtype=bool)
    for index, value in enumerate(labels.values):
        lacking = tuple(s.name for s, n in zip(summaries, counts[:, index], strict=True) if n == 0)
        # Labels that only shape the background (vessels, eyes, ...) may be in few maps.
        severity = Severity.ERROR if targets[index] else Severity.WARNING
        if len(lacking) == len(summaries):
            yield Finding(severity, (), f"label {name_label(table, value)} is in no map.")
        elif lacking and targets[index]:
            yield Finding(Severity.WARNING, lacking, f"label {name_label(table, value)} is absent.")
    empty = tuple(s.name for s in summaries if not s.counts[targets].any())
    if empty:
        yield Finding(Severity.ERROR, empty, "no structure that the network shall find.")


def find_unpaired(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Sided labels whose partner on the other side is absent from the same map."""
    labels = table.labels
    for left, right in list_pairs(labels):
        for here, there in ((left, right), (right, left)):
            lone = tuple(s.name for s in summaries if s.counts[here] and not s.counts[there])
            if lone:
                one, other = (name_label(table, labels.values[i]) for i in (here, there))
                yield Finding(
                    Severity.ERROR, lone, f"label {one} is present, its pair {other} is not."
                )


def find_tiny(
    store: LabelStore, summaries: Sequence[MapSummary], min_volume_mm3: float
) -> Iterator[Finding]:
    """Structures of a few voxels, which are mostly stray labels."""
    voxel_mm3 = float(np.prod(store.voxel_size_mm))
    for index, value in enumerate(store.labels.values):
        if not store.labels.targets[index]:
            continue
        volumes = {s.name: s.counts[index] * voxel_mm3 for s in summaries if s.counts[index]}
        tiny = {name: volume for name, volume in volumes.items() if volume < min_volume_mm3}
        if tiny:
            problem = (
                f"label {name_label(store.table, value)} has only {min(tiny.values()):g} mm³, "
                f"expected at least {min_volume_mm3:g}."
            )
            yield Finding(Severity.WARNING, tuple(tiny), problem)
