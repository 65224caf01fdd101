"""What the run's page says, ready for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synthseg_client.report.outliers import FAR_Z, LEAST_SCANS, Spread
from synthseg_client.report.records import Run, ScanRecord
from synthseg_client.report.scan_page import far_texts, volume
from synthseg_client.report.structures import ASYMMETRY, total_mm3

_SHOWN_FAR = 2


@dataclass(frozen=True)
class RunLine:
    """A scan's line in the table, as text and as numbers to sort by.

    Attributes:
        slug: Name of its page.
        name: What it is called.
        total: Volume of all in mm³; empty if unknown.
        total_mm3: The same as a number; -1 if unknown.
        far: What is far from the run's median, the first ones.
        more_far: How many others are.
        far_count: How many are.
        farthest: Largest distance, 0 for none.
        quality: Lowest score and its group; empty for none.
        lowest: The same as a number; 2 for none.
        warnings: What the user was told.
        seconds: Wall time; empty if unknown.
        duration: The same as a number; -1 if unknown.
        has_viewer: Whether there are data for the viewer in 3-D.
    """

    slug: str
    name: str
    total: str
    total_mm3: float
    far: tuple[str, ...]
    more_far: int
    far_count: int
    farthest: float
    quality: str
    lowest: float
    warnings: tuple[str, ...]
    seconds: str
    duration: float
    has_viewer: bool


def line_of(
    record: ScanRecord, slug: str, far: Mapping[str, float], *, has_viewer: bool
) -> RunLine:
    """The line of a scan."""
    total = total_mm3(record.volumes)
    worst = min(record.quality.items(), key=lambda item: item[1], default=None)
    texts = far_texts(far)
    return RunLine(
        slug=slug,
        name=record.name,
        total="" if total is None else volume(total),
        total_mm3=-1.0 if total is None else total,
        far=tuple(texts[:_SHOWN_FAR]),
        more_far=max(len(texts) - _SHOWN_FAR, 0),
        far_count=len(texts),
        farthest=max(map(abs, far.values()), default=0.0),
        quality="" if worst is None else f"{worst[1]:.2f} {worst[0]}",
        lowest=2.0 if worst is None else worst[1],
        warnings=record.warnings,
        seconds="" if record.seconds is None else f"{record.seconds:.1f}",
        duration=-1.0 if record.seconds is None else record.seconds,
        has_viewer=has_viewer,
    )


def chart_data(
    slugs: Sequence[str],
    measures: Sequence[Mapping[str, float]],
    spreads: Mapping[str, Spread],
) -> dict[str, object]:
    """Numbers for the chart and the sorting by a measure, small enough for thousands of scans."""
    names = list(spreads)
    return {
        "measures": names,
        "percent": [int(name.startswith(ASYMMETRY)) for name in names],
        "median": [round(spreads[name].median, 2) for name in names],
        "mad": [round(spreads[name].mad, 3) for name in names],
        "tellsZ": [int(spreads[name].z(0.0) is not None) for name in names],
        "farZ": FAR_Z,
        "least": LEAST_SCANS,
        "values": {
            slug: [_rounded(told.get(name), name) for name in names]
            for slug, told in zip(slugs, measures, strict=True)
        },
    }


def _rounded(value: float | None, name: str) -> float | None:
    if value is None:
        return None
    return round(value, 1) if name.startswith(ASYMMETRY) else round(value)


def facts(run: Run, lines: Sequence[RunLine]) -> list[tuple[int, str]]:
    """The run in numbers: how many, of what."""
    told = [
        (len(run.records), "segmented"),
        (len(run.failures), "failed"),
        (sum(1 for line in lines if line.far_count), "with values far from the run's median"),
        (sum(1 for line in lines if line.warnings), "with warnings"),
    ]
    return told if len(run.records) >= LEAST_SCANS else [told[0], told[1], told[3]]


def models_of(run: Run) -> list[tuple[str, int]]:
    """Models that answered, and for how many scans."""
    counts: dict[str, int] = {}
    for record in run.records:
        model = record.sidecar.get("model")
        if isinstance(model, dict):
            name = f"{model.get('served_name', '?')}:{model.get('served_version', '?')}"
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts.items())
