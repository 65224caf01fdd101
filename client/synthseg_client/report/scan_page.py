"""What a scan's page says, ready for its template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from synthseg_common.colours import colour_of

from synthseg_client.report.outliers import Spread
from synthseg_client.report.records import ScanRecord
from synthseg_client.report.structures import (
    ASYMMETRY,
    Row,
    rows_of,
    total_mm3,
    total_name,
)

_LONGEST = 160  # the sidecar holds all of it
_NO_COLOUR = "#888888"
_OPTION_NAMES = {
    "crop": "Crop (voxels)",
    "fast": "Fast",
    "ct": "CT",
    "keepgeom": "On the scan's own grid",
    "autocrop": "Part brighter than background",
    "network": "Network",
    "parc": "Cortical parcels",
    "qc": "Edge of the scored cube (voxels)",
    "as_original": "As the original",
}


@dataclass(frozen=True)
class VolumeRow:
    """A line of the table of volumes, as text.

    Attributes:
        name: Structure, without its side.
        colour: Of its contour.
        left: Volume on the left, or of a structure without sides.
        right: On the right; empty for none.
        asymmetry: In percent; empty for none.
        left_z: Robust z; empty where the run is too small.
        right_z: The same.
        asymmetry_z: The same.
        is_far: Whether any of these is far from the run's median.
    """

    name: str
    colour: str
    left: str
    right: str
    asymmetry: str
    left_z: str
    right_z: str
    asymmetry_z: str
    is_far: bool


@dataclass(frozen=True)
class Comparison:
    """A scan beside the others of its run.

    Attributes:
        spreads: Of every measure of the run.
        measures: Those of this scan.
        far: Robust z of those that are far from the run's median.
    """

    spreads: Mapping[str, Spread]
    measures: Mapping[str, float]
    far: Mapping[str, float]

    def z(self, name: str) -> str:
        """Robust z of a measure as text; empty where there is none."""
        spread = self.spreads.get(name)
        if spread is None or name not in self.measures:
            return ""
        value = spread.z(self.measures[name])
        return "" if value is None else signed(value)


def volume_rows(record: ScanRecord, compared: Comparison, *, parcels: bool) -> list[VolumeRow]:
    """Lines of the table of structures, or of parcels."""
    values = {name: value for value, name in record.label_names.items()}
    return [
        _line(row, values, compared) for row in rows_of(record.volumes) if row.is_parcel == parcels
    ]


def _line(row: Row, values: Mapping[str, int], compared: Comparison) -> VolumeRow:
    asymmetry = row.asymmetry_percent
    names = (row.left, row.right or "", ASYMMETRY + row.name)
    left_z, right_z, asymmetry_z = map(compared.z, names)
    return VolumeRow(
        name=row.name,
        colour=_colour(row.left, values),
        left=volume(row.left_mm3),
        right="" if row.right_mm3 is None else volume(row.right_mm3),
        asymmetry="" if asymmetry is None else signed(asymmetry),
        left_z=left_z,
        right_z=right_z,
        asymmetry_z=asymmetry_z,
        is_far=any(name in compared.far for name in names),
    )


def _colour(name: str, values: Mapping[str, int]) -> str:
    return f"#{bytes(colour_of(values[name])).hex()}" if name in values else _NO_COLOUR


def total_of(record: ScanRecord) -> tuple[str, str] | None:
    """Name and volume of all, or None."""
    mm3 = total_mm3(record.volumes)
    return None if mm3 is None else (total_name(record.volumes), volume(mm3))


def far_texts(far: Mapping[str, float]) -> list[str]:
    """What is far from the run's median, each with its robust z."""
    return [f"{name} {signed(z)}" for name, z in far.items()]


def provenance(record: ScanRecord) -> list[tuple[str, list[tuple[str, str]]]]:
    """How the labels came about, in groups of terms and what holds for them."""
    told = record.sidecar
    software = told.get("software")
    groups = [
        ("Files", [("Labels", record.labels.name), *_files(record)]),
        ("Software", [*_flat(software)]),
        ("Model", [*_flat(told.get("model"))]),
    ]
    companions = told.get("companions")
    if isinstance(companions, list):
        for companion in companions:
            groups.append(("Model asked beside it", [*_flat(companion)]))
    options = told.get("options")
    if isinstance(options, dict):
        named = {_OPTION_NAMES.get(key, key): value for key, value in options.items()}
        groups.append(("Options", [*_flat(named)]))
    groups.append(("Seconds", [*_flat(told.get("seconds")), *_passes(told)]))
    return [(title, rows) for title, rows in groups if rows]


def _files(record: ScanRecord) -> Iterator[tuple[str, str]]:
    if record.scan is not None:
        yield "Scan", record.scan.name
    if record.sha256:
        yield "SHA-256 of the scan", record.sha256
    scan = record.sidecar.get("scan")
    if isinstance(scan, dict) and "resampled" in scan:
        yield "Resampled", _text(scan["resampled"])


def _passes(told: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    if "network_passes" in told:
        yield "passes of the network", _text(told["network_passes"])


def _flat(told: object) -> Iterator[tuple[str, str]]:
    if isinstance(told, dict):
        for key, value in told.items():
            yield str(key).replace("_", " "), _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        text = value
    elif isinstance(value, int | float):
        text = f"{value:g}" if isinstance(value, float) else str(value)
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def volume(mm3: float) -> str:
    """A volume in mm³ as text, thousands apart."""
    return f"{mm3:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def signed(value: float) -> str:
    """A number with its sign, one digit behind the point."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\N{MINUS SIGN}")
