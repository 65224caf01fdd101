from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from report_runs import write_run
from synthseg_client import UsageError
from synthseg_client.report.leftovers import find_run, read_sidecar
from synthseg_client.results.journal import JOURNAL_NAME, Journal
from synthseg_client.results.scan_records import ScanRecords
from synthseg_client.storage.mirror import Mirror


def test_a_run_is_found_by_its_journal_and_sidecars(out: Path) -> None:
    run = find_run(out)
    assert [record.name for record in run.records] == [f"sub-{n:02d}_T1w" for n in range(12)]
    first = run.records[0]
    assert first.scan == out.parent / "scans/sub-00_T1w.nii.gz"
    assert first.volumes["csf"] > 1e5
    assert first.quality == {"thalamus": 0.5, "general csf": 0.9}
    assert [(f.name, f.reason) for f in run.failures] == [
        ("broken", "broken.nii.gz: broken or cut off.")
    ]


def test_a_run_in_parts_is_found_by_its_records(out: Path) -> None:
    wanted, journal, records = find_run(out), Journal(out / JOURNAL_NAME), ScanRecords(Mirror())
    for labels, entry in journal.read().items():
        records.append(Path(labels), entry)
    for labels, failed in journal.failures().items():
        records.append_failure(Path(labels), failed)
    journal.path.unlink()
    assert find_run(out) == wanted


def test_without_a_journal_sidecars_tell(tmp_path: Path) -> None:
    run = find_run(write_run(tmp_path, journal=False))
    assert len(run.records) == 12
    assert run.records[0].volumes == {}
    assert len(run.records[0].sha256) == 64
    assert run.failures == ()


def test_volumes_of_a_table_in_the_folder_are_taken(tmp_path: Path) -> None:
    out = write_run(tmp_path, 2, journal=False)
    table = "subject,total intracranial,csf\nsub-00_T1w,5,3\nsub-01_T1w,6,4\n"
    (out / "volumes.csv").write_text(table)
    (out / "other.csv").write_text("a,b\n1,2\n")
    (out / "broken.csv").write_bytes(b"subject,a\nx,\xff\n")
    volumes = [record.volumes for record in find_run(out).records]
    assert volumes == [{"total intracranial": 5, "csf": 3}, {"total intracranial": 6, "csf": 4}]


def test_scans_that_were_moved_are_found_where_the_user_says(out: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "deeper"
    shutil.move(out.parent / "scans", moved)
    assert find_run(out).records[0].scan == out.parent / "scans/sub-00_T1w.nii.gz"
    record = find_run(out, tmp_path / "elsewhere").records[0]
    assert record.scan == moved / "sub-00_T1w.nii.gz"


def test_of_two_scans_of_one_name_neither_is_taken(out: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        shutil.copytree(out.parent / "scans", tmp_path / "elsewhere" / folder)
    shutil.rmtree(out.parent / "scans")
    assert find_run(out, tmp_path / "elsewhere").records[0].scan == (
        out.parent / "scans/sub-00_T1w.nii.gz"
    )


def test_a_folder_of_results_may_be_moved(out: Path, tmp_path: Path) -> None:
    moved = shutil.move(out, tmp_path / "moved")
    run = find_run(Path(moved))
    assert len(run.records) == 12
    assert run.records[0].volumes["csf"] > 1e5


def test_a_result_that_is_gone_is_not_told(out: Path) -> None:
    (out / "sub-03_T1w_synthseg.nii.gz").unlink()
    assert len(find_run(out).records) == 11


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_folder_without_results_is_refused(tmp_path: Path, what: str) -> None:
    folder = tmp_path / what
    if what == "empty":
        folder.mkdir()
        (folder / "x.json").write_text('{"EchoTime": 0.003}')
        (folder / JOURNAL_NAME).write_text("cut o")
    with pytest.raises(UsageError, match=what):
        find_run(folder)


def test_a_folder_of_scans_that_is_not_there_is_refused(out: Path) -> None:
    with pytest.raises(UsageError, match="--scans"):
        find_run(out, out / "no")


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"software": 1}', '{"software": {"name": "fmriprep"}}', "[" * 100_000]
)
def test_other_files_are_no_sidecars(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert read_sidecar(tmp_path / "x.json") == {}
