from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.errors import UsageError
from synthseg_client.merging.gathering import gather
from synthseg_client.merging.rows import Merged
from synthseg_client.results.journal import (
    JOURNAL_NAME,
    Entry,
    FailedEntry,
    Journal,
    sha256_of,
)
from synthseg_client.results.scan_records import ScanRecords
from synthseg_client.storage.mirror import Mirror


def entry_of(labels: Path, scan: str, digest: str = "", **told: str) -> Entry:
    """What is known of a scan whose label map is written here."""
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text(scan)
    outputs = {str(labels): sha256_of(labels)}
    return Entry(scan, digest or scan, "o", "m", outputs, {"csf": 1.0}, **told)  # type: ignore[arg-type]


def finish(labels: Path, scan: str, digest: str = "", **told: str) -> Path:
    ScanRecords(Mirror()).append(labels, entry_of(labels, scan, digest, **told))
    return labels


def statuses(merged: Merged) -> dict[str, str]:
    return {row.scan: row.status for row in merged.rows}


def test_every_scan_has_one_row_that_tells_the_best_of_it(tmp_path: Path) -> None:
    one, two, records = tmp_path / "one", tmp_path / "two", ScanRecords(Mirror())
    finish(one / "a.nii", "/in/a.nii", served="m:1", row="a")
    finish(one / "b.nii", "/in/b.nii").write_text("cut off")
    records.append_failure(one / "c.nii", FailedEntry("/in/c.nii", "broken"))
    records.append_failure(one / "d.nii", FailedEntry("/in/d.nii", "no server"))
    records.append_failure(one / "a.nii", FailedEntry("/in/a.nii", "failed before"))
    finish(two / "d.nii", "/in/d.nii")
    expected = [Path(f"/in/{name}.nii") for name in "abcdx"]
    merged = gather([str(one), str(two)], Mirror(), expected)
    assert statuses(merged) == {
        "/in/a.nii": "done",
        "/in/b.nii": "incomplete",
        "/in/c.nii": "failed",
        "/in/d.nii": "done",
        "/in/x.nii": "missing",
    }
    rows = {row.scan: row for row in merged.rows}
    assert (rows["/in/a.nii"].model, rows["/in/a.nii"].subject) == ("m:1", "a")
    assert rows["/in/b.nii"].error == f"{one / 'b.nii'}: is gone or was changed"
    assert rows["/in/c.nii"].error == "broken"
    assert merged.duplicates == ()


def test_a_scan_that_was_done_twice_counts_once_and_equal_scans_are_named(tmp_path: Path) -> None:
    finish(tmp_path / "one/a.nii", "/in/a.nii", "aa", row="a")
    finish(tmp_path / "one/x_a.nii", "/in/a.nii", "aa", row="x_a")  # after a scan of its name came
    finish(tmp_path / "one/b.nii", "/in/b.nii", "aa")
    merged = gather([str(tmp_path / "one")], Mirror())
    assert statuses(merged) == {"/in/a.nii": "done", "/in/b.nii": "done"}
    ((left_out, counted),) = merged.duplicates
    assert left_out.scan == counted.scan == "/in/a.nii"
    ((twin, other),) = merged.twins
    assert {twin.scan, other.scan} == {"/in/a.nii", "/in/b.nii"}


def test_journals_and_series_of_one_source_count_too(tmp_path: Path) -> None:
    labels = tmp_path / "a.nii"
    Journal(tmp_path / JOURNAL_NAME).append(labels, entry_of(labels, "/in/study", "1", series="t1"))
    finish(tmp_path / "b.nii", "/in/study", "2", series="t2")
    failed = FailedEntry("/in/study", "broken", "t3")
    ScanRecords(Mirror()).append_failure(tmp_path / "c.nii", failed)
    merged = gather([str(tmp_path)], Mirror(), [Path("/in/study")])
    assert sorted(row.status for row in merged.rows) == ["done", "done", "failed"]


def test_a_dataset_that_is_mounted_elsewhere_is_the_same(tmp_path: Path) -> None:
    finish(tmp_path / "a.nii", "/data/in/sub/a.nii")
    expected, roots = [Path("/mnt/in/sub/a.nii"), Path("/mnt/in/sub/b.nii")], [Path("/mnt/in")]
    merged = gather([str(tmp_path)], Mirror(), expected, roots)
    assert statuses(merged) == {"/data/in/sub/a.nii": "done", "/mnt/in/sub/b.nii": "missing"}


def test_a_folder_without_records_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is recorded here"):
        gather([str(tmp_path)], Mirror())
    with pytest.raises(UsageError, match="no such folder"):
        gather([str(tmp_path / "lost")], Mirror())
