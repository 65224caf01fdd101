from __future__ import annotations

from pathlib import Path

from synthseg_client.batch.tasks import ScanTask


def test_outputs_are_what_was_asked_for_by_name() -> None:
    task = ScanTask(Path("s.nii"), Path("o/l.nii.gz"), resampled=Path("o/r.nii"))
    assert task.outputs() == [Path("o/l.nii.gz"), Path("o/r.nii")]


def test_what_goes_with_a_label_map_has_its_name_without_the_formats_ending() -> None:
    task = ScanTask(Path("s.nii"), Path("o/l.nii.gz"))
    assert task.beside(".json") == Path("o/l.json")
    assert task.files((".json", ".tsv")) == [
        Path("o/l.nii.gz"),
        Path("o/l.json"),
        Path("o/l.tsv"),
    ]
