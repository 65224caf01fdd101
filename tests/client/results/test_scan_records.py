from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from synthseg_client.results.journal import Entry, FailedEntry
from synthseg_client.results.scan_records import RECORDS, ScanRecords
from synthseg_client.storage.mirror import Mirror


def entry_for(labels: Path) -> Entry:
    table = labels.parent.parent / "tables/t.csv"
    outputs = {str(labels): "ab", str(table): "cd"}
    return Entry("/in/s.nii", "ef", "options", "model", outputs, {"csf": 1.0}, served="m:1")


def test_a_record_goes_with_its_folder_wherever_that_is_mounted(tmp_path: Path) -> None:
    records, labels = ScanRecords(Mirror()), tmp_path / "one/out/s_synthseg.nii"
    records.append(labels, entry_for(labels))
    assert records.find(labels) == entry_for(labels)
    os.rename(tmp_path / "one", tmp_path / "two")  # noqa: PTH104
    moved = tmp_path / "two/out/s_synthseg.nii"
    assert records.find(moved) == entry_for(moved)


def test_a_failure_is_beside_what_was_finished_and_broken_records_are_none(tmp_path: Path) -> None:
    records, labels = ScanRecords(Mirror()), tmp_path / "s.nii"
    records.append_failure(labels, FailedEntry("/in/s.nii", "broken"))
    assert records.find(labels) is None
    (place,) = (tmp_path / RECORDS).iterdir()
    assert records.read(place) == (labels, FailedEntry("/in/s.nii", "broken"))
    records.append(labels, entry_for(labels))
    assert records.find(labels) == entry_for(labels)
    path = tmp_path / RECORDS / "s.nii.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "of_a_later_version": 1}))
    assert records.find(labels) == entry_for(labels)
    path.write_text("[]")
    assert records.find(labels) is None


def test_records_of_object_storage_name_addresses(bucket: str) -> None:
    with Mirror() as mirror, Mirror() as other:
        labels = mirror.path_of(f"{bucket}/out/s.nii")
        scan = mirror.path_of(f"{bucket}/in/s.nii")
        beside, far = labels.with_name("s.json"), mirror.path_of(f"{bucket}/post/s.nii")
        versions = {str(labels): "v1", str(beside): "v2", str(far): "v3"}
        told = Entry(
            str(scan), "ef", "o", "m", dict.fromkeys(versions, "ab"), {}, versions=versions
        )
        ScanRecords(mirror).append(labels, told)
        assert not (labels.parent / RECORDS / "s.nii.json").exists()
        found = ScanRecords(other).find(other.path_of(f"{bucket}/out/s.nii"))
        assert found is not None
        assert found.scan == f"{bucket}/in/s.nii"
        assert {other.address_of(Path(p)): v for p, v in found.versions.items()} == {
            f"{bucket}/out/s.nii": "v1",
            f"{bucket}/out/s.json": "v2",
            f"{bucket}/post/s.nii": "v3",
        }


@pytest.mark.parametrize("name", ["s.nii.json", "writable"])
def test_what_is_no_record_is_passed_over(tmp_path: Path, name: str) -> None:
    path = tmp_path / RECORDS / name
    path.parent.mkdir()
    path.touch()
    assert ScanRecords(Mirror()).read(path) is None
