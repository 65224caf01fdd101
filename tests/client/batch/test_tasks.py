from __future__ import annotations

from pathlib import Path

from synthseg_client.batch.tasks import ScanTask, beside_image


def test_outputs_are_what_was_asked_for_by_name() -> None:
    task = ScanTask(Path("s.nii"), Path("o/l.nii.gz"), resampled=Path("o/r.nii"))
    assert task.outputs() == [Path("o/l.nii.gz"), Path("o/r.nii")]


def test_what_goes_with_a_label_map_has_its_name_without_the_formats_ending() -> None:
    task = ScanTask(Path("s.nii"), Path("o/l.nii.gz"))
    assert beside_image(task.labels, ".json") == Path("o/l.json")
    assert task.files((".json", ".tsv")) == [
        Path("o/l.nii.gz"),
        Path("o/l.json"),
        Path("o/l.tsv"),
    ]


def test_a_second_label_map_has_its_own_tables_and_each_image_may_have_a_sidecar() -> None:
    task = ScanTask(
        Path("s.nii"),
        Path("l.nii"),
        posteriors=Path("p.nii"),
        labels_at_1_mm=Path("m.nii"),
        describe_all=True,
    )
    written = {path.name for path in task.files((".json", ".tsv"))}
    assert written == {
        *("l.nii", "l.json", "l.tsv", "m.nii", "m.json", "m.tsv"), *("p.nii", "p.json")
    }  # fmt: skip
