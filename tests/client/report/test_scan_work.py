from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from synthseg_client.report.detail import SMALL
from synthseg_client.report.leftovers import find_run
from synthseg_client.report.scan_page import Comparison
from synthseg_client.report.scan_work import ScanWork, count_volumes, make_page


@pytest.fixture
def work(out: Path, tmp_path: Path) -> ScanWork:
    for name in ("scans", "pictures", "volumes"):
        (tmp_path / "report" / name).mkdir(parents=True)
    return ScanWork(
        record=find_run(out).records[0],
        slug="01-x",
        folder=tmp_path / "report",
        detail=SMALL,
        compared=Comparison({}, {}, {}),
        scans=1,
        counted=False,
        wants_viewer=True,
        before=None,
        after=None,
    )


def page_of(work: ScanWork) -> str:
    return (work.folder / "scans/01-x.html").read_text()


def test_a_page_has_pictures_and_data_for_the_viewer(work: ScanWork) -> None:
    assert make_page(work)
    assert {p.name for p in (work.folder / "pictures").iterdir()} == {
        "01-x.webp",
        "01-x-contours.webp",
        "01-x-small.webp",
    }
    assert (work.folder / "volumes/01-x.js").stat().st_size > 500
    page = page_of(work)
    assert page.count('class="tile"') == 6
    assert "its sform" not in page
    assert str(work.folder.parent) not in page


def test_a_missing_scan_is_told_and_contours_stand_alone(work: ScanWork) -> None:
    assert work.record.scan is not None
    work.record.scan.unlink()
    assert make_page(work)
    assert "no longer where it was read from" in page_of(work)


def test_a_scan_that_has_changed_is_not_shown(work: ScanWork) -> None:
    assert work.record.scan is not None
    with work.record.scan.open("ab") as stream:
        stream.write(b"x")
    make_page(work)
    assert "has changed since it was segmented" in page_of(work)


def test_a_scan_that_cannot_be_read_is_told_by_its_name(work: ScanWork) -> None:
    assert work.record.scan is not None
    work.record.scan.write_bytes(b"no scan")
    make_page(replace(work, record=replace(work.record, sha256="")))
    assert "The scan cannot be shown: sub-00_T1w.nii.gz: " in page_of(work)


def test_labels_that_cannot_be_read_leave_a_page_without_pictures(work: ScanWork) -> None:
    work.record.labels.write_bytes(b"no labels")
    assert not make_page(work)
    assert "There is no picture of this scan" in page_of(work)
    assert list((work.folder / "pictures").iterdir()) == []


def test_volumes_are_counted_from_the_label_map_where_no_record_has_them(work: ScanWork) -> None:
    volumes = count_volumes(work.record)
    assert set(volumes) == {
        "left cerebral white matter",
        "csf",
        "right cerebral white matter",
    }
    voxels = volumes["csf"] / 64  # of 4 mm
    assert voxels == pytest.approx(round(voxels))
    work.record.labels.write_bytes(b"no labels")
    assert count_volumes(work.record) == {}
