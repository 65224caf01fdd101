"""From what is known of a run to a folder of pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from synthseg_client.report.detail import detail_for, viewers_for
from synthseg_client.report.folder import FIRST_PAGE, report_folder
from synthseg_client.report.outliers import FAR_Z, LEAST_SCANS, Spread, far, spreads
from synthseg_client.report.records import Run
from synthseg_client.report.rendering import ASSETS, as_bytes, render
from synthseg_client.report.run_page import chart_data, facts, line_of, models_of
from synthseg_client.report.scan_page import Comparison
from synthseg_client.report.scan_work import Neighbour, ScanWork, count_volumes, make_page
from synthseg_client.report.slugs import slugs_of
from synthseg_client.report.structures import measures_of, total_name
from synthseg_client.report.workers import Workers


def make_report(
    run: Run, folder: Path, *, jobs: int = 2, tell: Callable[[int], None] = lambda _: None
) -> Path:
    """Writes a run's report.

    Args:
        run: What is known of it.
        folder: Where; an earlier report there is replaced.
        jobs: Processes that draw at once.
        tell: Called with the number of pages that are done.

    Returns:
        The page to open first.

    Raises:
        UsageError: The folder holds something else.
        OutputError: It cannot be written.
    """
    with report_folder(folder) as temporary, Workers(jobs, len(run.records)) as workers:
        whole, counted = _with_volumes(run, workers)
        report = _Report.of(whole, counted)
        has_viewer = []
        for seen in workers.map(make_page, report.pages(temporary)):
            has_viewer.append(seen)
            tell(len(has_viewer))
        report.write_run_page(temporary, has_viewer)
        for asset in sorted(ASSETS.iterdir()):
            shutil.copyfile(asset, temporary / "assets" / asset.name)
    return folder / FIRST_PAGE


@dataclass(frozen=True)
class _Report:
    """A run with what follows from all of its scans together."""

    run: Run
    counted: frozenset[str]
    slugs: list[str]
    measures: list[dict[str, float]]
    spreads: dict[str, Spread]
    far: list[dict[str, float]]

    @classmethod
    def of(cls, run: Run, counted: frozenset[str]) -> _Report:
        measures = [measures_of(record.volumes) for record in run.records]
        known = spreads(measures)
        distant = [far(told, known) for told in measures]
        slugs = slugs_of([record.name for record in run.records])
        return cls(run, counted, slugs, measures, known, distant)

    def pages(self, folder: Path) -> Iterator[ScanWork]:
        """What is to be made of each scan."""
        records, scans = self.run.records, sum(1 for told in self.measures if told)
        seen = self._seen()
        detail = detail_for(len(records))
        around = [Neighbour(s, r.name) for s, r in zip(self.slugs, records, strict=True)]
        for i, record in enumerate(records):
            yield ScanWork(
                record=record,
                slug=self.slugs[i],
                folder=folder,
                detail=detail,
                compared=Comparison(self.spreads, self.measures[i], self.far[i]),
                scans=scans,
                counted=str(record.labels) in self.counted,
                wants_viewer=i in seen,
                before=around[i - 1] if i else None,
                after=around[i + 1] if i + 1 < len(records) else None,
            )

    def _seen(self) -> set[int]:
        """Which scans get a viewer: those far from the median first."""
        order = sorted(
            range(len(self.far)), key=lambda i: -max(map(abs, self.far[i].values()), default=0.0)
        )
        return set(order[: viewers_for(len(order))])

    def write_run_page(self, folder: Path, has_viewer: Sequence[bool]) -> None:
        """Writes the page of the run and that of the viewer."""
        records = self.run.records
        lines = [
            line_of(record, slug, distant, has_viewer=seen)
            for record, slug, distant, seen in zip(
                records, self.slugs, self.far, has_viewer, strict=True
            )
        ]
        volumes = next((r.volumes for r in records if r.volumes), {})
        told = {
            "run": self.run,
            "lines": lines,
            "facts": facts(self.run, lines),
            "models": models_of(self.run),
            "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
            "chart": chart_data(self.slugs, self.measures, self.spreads),
            "compared": any(s.n >= LEAST_SCANS for s in self.spreads.values()),
            "scored": any(record.quality for record in records),
            "total_title": total_name(volumes),
            "viewers": sum(has_viewer),
            "far_z": FAR_Z,
            "least": LEAST_SCANS,
        }
        (folder / FIRST_PAGE).write_bytes(as_bytes(render("run.html", "", told)))
        (folder / "viewer.html").write_bytes(as_bytes(render("viewer.html", "", {})))


def _with_volumes(run: Run, workers: Workers) -> tuple[Run, frozenset[str]]:
    """A run in which every scan has volumes, and the label maps from which these were counted."""
    without = [record for record in run.records if not record.volumes]
    found = {
        str(record.labels): volumes
        for record, volumes in zip(without, workers.map(count_volumes, without), strict=True)
    }
    records = tuple(
        replace(r, volumes=found[str(r.labels)]) if str(r.labels) in found else r
        for r in run.records
    )
    return replace(run, records=records), frozenset(found)
