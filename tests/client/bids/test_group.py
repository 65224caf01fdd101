from __future__ import annotations

import json
from pathlib import Path

from synthseg_client.bids.group import gather


def _results(out: Path, scan: str, structure: str, mm3: float) -> None:
    start = out / scan.replace("_T1w.nii.gz", "_space-orig_seg-synthseg")
    start.parent.mkdir(parents=True, exist_ok=True)
    start.with_name(f"{start.name}_volumes.tsv").write_text(f"name\tvalue\n{structure}\t{mm3}\n")
    sidecar = start.with_name(f"{start.name}_dseg.json")
    sidecar.write_text(json.dumps({"Sources": [f"bids:raw:{scan}"]}))


def test_each_kind_of_scan_has_a_table_with_one_row_a_participant(tmp_path: Path) -> None:
    for number in (1, 2):
        for session in "ab":
            name = f"sub-{number}_ses-{session}_T1w.nii.gz"
            _results(tmp_path, f"sub-{number}/ses-{session}/anat/{name}", "brain", number)
    gathered = gather(tmp_path / "ds", tmp_path, lambda _: True)
    assert list(gathered.rows.values()) == [4, 2, 2]
    table = tmp_path / "phenotype/synthseg_volumes_ses-a_T1w.tsv"
    header, *rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert header == ["participant_id", "session_id", "scan", "brain"]
    assert [(row[0], row[3]) for row in rows] == [("sub-1", "1"), ("sub-2", "2")]
    dictionary = json.loads(table.with_suffix(".json").read_text())
    assert dictionary["brain"]["Units"] == "mm^3"
    assert set(header) <= set(dictionary)


def test_what_a_scan_lacks_is_not_available(tmp_path: Path) -> None:
    _results(tmp_path, "sub-1/anat/sub-1_T1w.nii.gz", "left", 1)
    _results(tmp_path, "sub-2/anat/sub-2_T1w.nii.gz", "right", 2)
    gather(tmp_path / "ds", tmp_path, lambda _: True)
    lines = (tmp_path / "synthseg_volumes.tsv").read_text().splitlines()
    assert [line.split("\t")[3:] for line in lines] == [
        ["left", "right"],
        ["1", "n/a"],
        ["n/a", "2"],
    ]


def test_tables_of_an_earlier_choice_do_not_stay(tmp_path: Path) -> None:
    _results(tmp_path, "sub-1/anat/sub-1_T1w.nii.gz", "brain", 1)
    _results(tmp_path, "sub-2/anat/sub-2_run-1_T1w.nii.gz", "brain", 2)
    gather(tmp_path / "ds", tmp_path, lambda _: True)
    gather(tmp_path / "ds", tmp_path, lambda name: name.value("run") is None)
    assert {p.name for p in (tmp_path / "phenotype").iterdir()} == {
        "synthseg_volumes_T1w.tsv",
        "synthseg_volumes_T1w.json",
    }


def test_without_results_nothing_is_written(tmp_path: Path) -> None:
    assert gather(tmp_path / "ds", tmp_path, lambda _: True).rows == {}
    assert list(tmp_path.iterdir()) == []
