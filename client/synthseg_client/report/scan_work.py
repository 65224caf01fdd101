"""The work on one scan's page, in any process: read, draw, write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthseg_common.labels import BACKGROUND

from synthseg_client.errors import ClientError, error_of
from synthseg_client.inputs.scans import read_scan
from synthseg_client.pictures.display import Display, Volume
from synthseg_client.report.detail import Detail
from synthseg_client.report.outliers import FAR_Z, LEAST_SCANS
from synthseg_client.report.records import ScanRecord, without_folders
from synthseg_client.report.rendering import as_bytes, render
from synthseg_client.report.scan_page import (
    Comparison,
    far_texts,
    provenance,
    total_of,
    volume_rows,
)
from synthseg_client.report.tiles import MULTIPLE_MM, Sheet, draw_sheet
from synthseg_client.report.volume_data import volume_script
from synthseg_client.results.journal import scan_digest


@dataclass(frozen=True)
class Neighbour:
    """A page to go on to.

    Attributes:
        slug: Name of the page.
        name: What its scan is called.
    """

    slug: str
    name: str


@dataclass(frozen=True)
class ScanWork:
    """A page to make.

    Attributes:
        record: What is known about the scan.
        slug: Name of the page and of its pictures.
        folder: Of the report.
        detail: How much to show.
        compared: The scan beside the others.
        scans: How many it is compared with, itself among them.
        counted: Whether its volumes were counted from the label map.
        wants_viewer: Whether to write data for the viewer.
        before: The page before.
        after: The page after.
    """

    record: ScanRecord
    slug: str
    folder: Path
    detail: Detail
    compared: Comparison
    scans: int
    counted: bool
    wants_viewer: bool
    before: Neighbour | None
    after: Neighbour | None


def make_page(work: ScanWork) -> bool:
    """Writes a scan's pictures and its page.

    Returns:
        Whether it can be seen in the viewer.
    """
    notes = list(work.record.warnings)
    drawn = _drawn(work, notes)
    sheet, script = drawn if drawn else (None, None)
    if sheet is not None:
        _write_pictures(work, sheet)
    if script is not None:
        (work.folder / "volumes" / f"{work.slug}.js").write_text(script, encoding="ascii")
    has_viewer = script is not None
    page = render("scan.html", "../", _told(work, sheet, notes, has_viewer=has_viewer))
    (work.folder / "scans" / f"{work.slug}.html").write_bytes(as_bytes(page))
    return has_viewer


def _drawn(work: ScanWork, notes: list[str]) -> tuple[Sheet, str | None] | None:
    """Pictures of a scan and, if they are wanted, data for the viewer; None without labels."""
    record = work.record
    labels = _labels_of(record, notes)
    if labels is None:
        return None
    scan = _scan_of(record, notes)
    try:
        display = Display.around(labels).enlarged(MULTIPLE_MM)
        sheet = draw_sheet(scan, labels, display, work.detail)
        if not work.wants_viewer:
            return sheet, None
        grey = (sheet.black, sheet.white)
        names = record.label_names
        return sheet, volume_script(record.name, scan, labels, display, names, grey)
    except Exception as error:  # one odd scan must not cost the report of all others
        notes.append(f"It cannot be drawn: {without_folders(str(error), record.labels)}")
        return None


def count_volumes(record: ScanRecord) -> dict[str, float]:
    """mm³ by structure, counted from the voxels of a label map; empty if it cannot be read."""
    labels = _labels_of(record, [])
    if labels is None:
        return {}
    values, counts = np.unique(labels.values, return_counts=True)
    voxel_mm3 = float(abs(np.linalg.det(labels.affine[:3, :3])))
    names = record.label_names
    return {
        names.get(int(v), f"label {v}"): float(n) * voxel_mm3
        for v, n in zip(values, counts, strict=True)
        if v != BACKGROUND
    }


def _labels_of(record: ScanRecord, notes: list[str]) -> Volume | None:
    try:
        read = read_scan(record.labels)
    except ClientError as error:
        notes.append(without_folders(str(error), record.labels))
        return None
    return Volume(read.image.astype(np.int32), read.affine)


def _scan_of(record: ScanRecord, notes: list[str]) -> Volume | None:
    """The scan, if it is still what was segmented or nobody knows better."""
    path = record.scan
    if path is None or not path.exists():
        notes.append(
            "The scan is no longer where it was read from, so contours stand alone: "
            "name its folder with --scans."
        )
        return None
    try:
        if record.sha256 and scan_digest(path) != record.sha256:
            notes.append("The scan's file has changed since it was segmented: it is not shown.")
            return None
        read = read_scan(path)
    except (ClientError, OSError) as error:
        said = without_folders(str(error_of(path, error)), path)
        notes.append(f"The scan cannot be shown: {said}")
        return None
    return Volume(read.image, read.affine)


def _write_pictures(work: ScanWork, sheet: Sheet) -> None:
    pictures = work.folder / "pictures"
    for mark, data in (
        ("", sheet.scan),
        ("-contours", sheet.contours),
        ("-small", sheet.thumbnail),
    ):
        (pictures / f"{work.slug}{mark}.webp").write_bytes(data)


def _told(
    work: ScanWork, sheet: Sheet | None, notes: list[str], *, has_viewer: bool
) -> dict[str, object]:
    record, compared = work.record, work.compared
    model = record.sidecar.get("model")
    return {
        "record": record,
        "slug": work.slug,
        "before": work.before,
        "after": work.after,
        "total": total_of(record),
        "model": f"{model.get('served_name')}:{model.get('served_version')}"
        if isinstance(model, dict)
        else "",
        "notes": notes,
        "far": far_texts(compared.far),
        "far_z": FAR_Z,
        "least": LEAST_SCANS,
        "scans": work.scans,
        "counted": work.counted,
        "tells_z": work.scans >= LEAST_SCANS,
        "structures": volume_rows(record, compared, parcels=False),
        "parcels": volume_rows(record, compared, parcels=True),
        "provenance": provenance(record),
        "has_viewer": has_viewer,
        "tiles": sheet.tiles if sheet else (),
        "width": sheet.width if sheet else 0,
        "height": sheet.height if sheet else 0,
        "black": sheet.black if sheet else 0,
        "white": sheet.white if sheet else 0,
    }
