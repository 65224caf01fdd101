"""Volumes in the order that a reader wants: both sides in one row, parcels by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from synthseg_client.results.volume_table import TOTAL

ASYMMETRY = "asymmetry of "
"""Begins the name of the measure that compares the two sides of a structure."""
_SIDES = (("left ", "right "), ("ctx-lh-", "ctx-rh-"))
_PARCEL = "ctx-"
_LEAST_SUM_MM3 = 1.0


@dataclass(frozen=True)
class Row:
    """One structure, or the same one on both sides.

    Attributes:
        name: Without its side.
        left: Name of the left one, or of the only one.
        right: Name of the right one, or None.
        left_mm3: Volume of the left or only one.
        right_mm3: Volume of the right one.
        is_parcel: Whether it is a part of the cortex that a parcellation divided.
    """

    name: str
    left: str
    right: str | None
    left_mm3: float
    right_mm3: float | None
    is_parcel: bool

    @property
    def asymmetry_percent(self) -> float | None:
        """100 (left - right) / mean of both; None for a single or an empty structure."""
        if self.right_mm3 is None or self.left_mm3 + self.right_mm3 < _LEAST_SUM_MM3:
            return None
        return 200 * (self.left_mm3 - self.right_mm3) / (self.left_mm3 + self.right_mm3)


def rows_of(volumes: Mapping[str, float]) -> list[Row]:
    """Structures in the order of the volumes table, each right one beside its left partner."""
    rows, taken = [], {TOTAL}
    for name, mm3 in volumes.items():
        if name in taken:
            continue
        short, partner = _partner(name)
        right = partner if partner in volumes else None
        taken |= {name, partner}
        shown = name if right is None else short
        other = None if right is None else volumes[right]
        rows.append(Row(shown, name, right, mm3, other, name.startswith(_PARCEL)))
    return rows


def total_mm3(volumes: Mapping[str, float]) -> float | None:
    """The volume of all: within the skull where labels cover that, else of what is labelled."""
    if not volumes:
        return None
    return volumes.get(TOTAL, sum(volumes.values()))


def total_name(volumes: Mapping[str, float]) -> str:
    """What the total is a volume of."""
    return "Intracranial volume" if TOTAL in volumes else "Volume of all labels"


def measures_of(volumes: Mapping[str, float]) -> dict[str, float]:
    """All that scans of a run are compared by: volumes in mm³, asymmetries in percent."""
    measures = dict(volumes)
    for row in rows_of(volumes):
        if (asymmetry := row.asymmetry_percent) is not None and not row.is_parcel:
            measures[ASYMMETRY + row.name] = asymmetry
    return measures


def _partner(name: str) -> tuple[str, str]:
    """Name without its side, and name of the partner on the right; empty for none."""
    for left, right in _SIDES:
        if name.startswith(left):
            return name.removeprefix(left), right + name.removeprefix(left)
    return name, ""
