from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from client_command import run_client
from report_runs import write_run


@pytest.fixture
def without_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the template engine were not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "jinja2" else real(name)
    )


def test_segment_makes_a_report_that_names_scans_that_failed(
    address: str, scans: Path, tmp_path: Path
) -> None:
    (scans / "broken.nii").write_bytes(b"no scan")
    words = ("segment", "--i", scans, "--o", tmp_path / "out", "--server", address)
    run = run_client(*words, "--report", tmp_path / "report")
    assert run.exit_code == 1, run.output
    assert f"Report: {tmp_path / 'report/index.html'}" in run.output
    page = (tmp_path / "report/index.html").read_text()
    assert "broken.nii: " in page
    assert len(list((tmp_path / "report/scans").iterdir())) == 4
    scan_page = next((tmp_path / "report/scans").glob("*s0*")).read_text()
    assert "left white matter" not in scan_page  # both sides share a row
    assert "white matter" in scan_page
    assert "View in 3-D" in scan_page


def test_a_report_made_later_tells_the_same_as_that_of_the_run(
    address: str, scans: Path, tmp_path: Path
) -> None:
    (scans / "broken.nii").write_bytes(b"no scan")
    words = ("segment", "--i", scans, "--o", tmp_path / "out", "--server", address)
    run_client(*words, "--report", tmp_path / "report", "--no-sidecar")
    run_client(*words, "--report", tmp_path / "report")
    run = run_client("report", tmp_path / "out", "--o", tmp_path / "later")
    assert run.exit_code == 0, run.output
    assert "Report of 4 scans, 1 failed: " in run.output
    for page in (tmp_path / "report/scans").iterdir():
        assert page.read_text() == (tmp_path / "later/scans" / page.name).read_text()


def test_a_scan_that_was_mended_is_no_longer_told_as_failed(
    address: str, scans: Path, tmp_path: Path
) -> None:
    scan = (scans / "s1.nii").read_bytes()
    (scans / "s1.nii").write_bytes(b"no scan")
    words = ("segment", "--i", scans, "--o", tmp_path / "out", "--server", address, "--resume")
    assert run_client(*words).exit_code == 1
    (scans / "s1.nii").write_bytes(scan)
    assert run_client(*words).exit_code == 0
    assert "Report of 4 scans: " in run_client("report", tmp_path / "out").output
    assert (tmp_path / "out/report/index.html").is_file()


@pytest.mark.usefixtures("without_jinja")
def test_without_the_extra_nothing_is_begun_and_it_is_named(tmp_path: Path, scans: Path) -> None:
    words = ("segment", "--i", scans, "--o", tmp_path / "out", "--report", tmp_path / "report")
    for run in (run_client(*words), run_client("report", write_run(tmp_path / "run"))):
        assert run.exit_code == 2
        assert "needs jinja2" in run.output
        assert "pip install 'synthseg-serving[report]'" in run.output
        assert len(run.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_report_replaces_nothing_else(tmp_path: Path, scans: Path) -> None:
    words = ("segment", "--i", scans, "--o", tmp_path / "out", "--report")
    run = run_client(*words, scans)
    assert (run.exit_code, "holds other files" in run.output) == (2, True)
    run = run_client(*words, tmp_path / "out")
    assert (run.exit_code, "would lie in it" in run.output) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_results_ends_with_wrong_use(tmp_path: Path) -> None:
    run = run_client("report", tmp_path, "--o", tmp_path / "report")
    assert run.exit_code == 2
    assert not (tmp_path / "report").exists()
