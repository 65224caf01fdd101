from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from report_runs import PATIENT, write_run
from synthseg_client import UsageError
from synthseg_client.report.leftovers import find_run
from synthseg_client.report.making import make_report
from synthseg_client.report.records import Failure, Run


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_report_is_the_same_from_one_process_or_two(out: Path, tmp_path: Path) -> None:
    run, found = find_run(out), []
    told: list[int] = []
    for jobs in (1, 2):
        first = make_report(run, tmp_path / f"report{jobs}", jobs=jobs, tell=told.append)
        assert first == tmp_path / f"report{jobs}/index.html"
        files = files_below(first.parent)
        files["index.html"] = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d", b"", files["index.html"])
        found.append(files)
    assert found[0] == found[1]
    assert told == [*range(1, 13)] * 2


def test_the_scan_unlike_the_others_is_told_as_far_and_no_other(out: Path, tmp_path: Path) -> None:
    first = make_report(find_run(out), tmp_path / "report", jobs=1)
    told = {
        path.stem[3:]: "Far from the run" in path.read_text()
        for path in (first.parent / "scans").iterdir()
    }
    assert [name for name, far in told.items() if far] == ["sub-03_T1w"]
    page = first.read_text()
    assert "abnormal" not in page
    assert "<b>1</b> with values far from the run" in page


def test_few_scans_are_not_compared(tmp_path: Path) -> None:
    first = make_report(find_run(write_run(tmp_path, 2)), tmp_path / "report", jobs=1)
    assert "Scans are compared with each other from 10 of a run on" in first.read_text()
    page = next((first.parent / "scans").iterdir()).read_text()
    assert "too few scans (under 10)" in page
    assert '<th scope="col">z left' not in page


def test_volumes_are_counted_where_no_record_has_them(tmp_path: Path) -> None:
    out = write_run(tmp_path, 3, journal=False)
    first = make_report(find_run(out), tmp_path / "report", jobs=1)
    assert "Counted voxels of the label map" in next((first.parent / "scans").iterdir()).read_text()


def test_a_run_of_failures_alone_has_a_page(tmp_path: Path) -> None:
    run = Run((), (Failure("x", "x.nii: broken."), Failure("y", "no server", left=True)))
    page = make_report(run, tmp_path / "report").read_text()
    assert "x.nii: broken." in page
    assert "Not tried." in page


def test_hostile_names_stay_text_on_every_page(report: Path) -> None:
    pages = [report, *(report.parent / "scans").iterdir()]
    assert len(pages) == 54
    for path in pages:
        page = path.read_text()
        assert "<img src=x" not in page
        assert "49 " not in re.findall(r"<h1>(.*)</h1>", page)[0]
        assert not re.findall(r"""(?:href|src)=["'](?:https?:|//|javascript:)""", page)
    data = re.findall(r'id="data">(.*?)</script>', report.read_text(), re.DOTALL)
    assert len(json.loads(data[0])["values"]) == 53


def test_nothing_of_headers_or_users_folders_stands_in_a_report(report: Path) -> None:
    for path in report.parent.rglob("*"):
        if path.is_file() and "assets" not in path.parts:
            content = path.read_bytes()
            assert str(report.parents[1]).encode() not in content, path
            assert PATIENT.encode() not in content, path


def test_a_folder_of_other_files_is_refused_before_anything_is_drawn(
    out: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="holds other files"):
        make_report(find_run(out), out)
