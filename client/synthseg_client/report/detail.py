"""How much a report shows of each scan, so that a large run stays small on disk."""

from __future__ import annotations

from dataclasses import dataclass

BUDGET_BYTES = 100_000_000
"""What a report of a usual run stays below."""
_OVERHEAD_BYTES = 6_000_000  # the viewer, styles, and the run's page with its thumbnails
_VIEWER_BYTES = 230_000
_SHARE_OF_PAGES = 0.6


@dataclass(frozen=True)
class Detail:
    """What is shown of a scan.

    Attributes:
        slices: Of each plane.
        step_mm: Size of the pixels of a scan.
        contour_step_mm: Size of the pixels of contours.
        quality: Of the pictures of scans, 0 to 100, as WebP counts it.
        page_bytes: What a page and its pictures weigh, as measured on heads at 1 mm.
    """

    slices: int
    step_mm: float
    contour_step_mm: float
    quality: int
    page_bytes: int


FULL = Detail(slices=5, step_mm=0.75, contour_step_mm=0.5, quality=75, page_bytes=175_000)
MEDIUM = Detail(slices=3, step_mm=1.0, contour_step_mm=0.75, quality=55, page_bytes=75_000)
SMALL = Detail(slices=2, step_mm=1.2, contour_step_mm=1.0, quality=40, page_bytes=42_000)


def detail_for(scans: int) -> Detail:
    """The most that can be shown of each of so many scans, with room left for viewers."""
    each = (BUDGET_BYTES - _OVERHEAD_BYTES) * _SHARE_OF_PAGES / max(scans, 1)
    return next((detail for detail in (FULL, MEDIUM) if detail.page_bytes <= each), SMALL)


def viewers_for(scans: int) -> int:
    """For how many of so many scans the data of a viewer in 3-D fit."""
    left = BUDGET_BYTES - _OVERHEAD_BYTES - scans * detail_for(scans).page_bytes
    return min(scans, max(left // _VIEWER_BYTES, 0))
