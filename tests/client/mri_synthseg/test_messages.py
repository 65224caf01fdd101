from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.batch.tasks import BatchPlan, ScanTask
from synthseg_client.mri_synthseg.arguments import Arguments
from synthseg_client.mri_synthseg.messages import Progress, closing, opening, saved, say


def test_the_first_lines_are_the_original_s() -> None:
    assert opening(Arguments(cpu=True)) == [
        "SynthSeg 2.0",
        "using CPU, hiding all CUDA_VISIBLE_DEVICES",
        "using 1 thread",
    ]
    assert opening(Arguments(robust=True, threads=4)) == ["SynthSeg-robust 2.0", "using 4 threads"]
    assert opening(Arguments(server="h:1")) == ["SynthSeg 2.0", "using the server h:1"]


def test_each_of_few_scans_is_counted_and_every_tenth_of_many() -> None:
    few = Progress(2)
    assert few.before(0) == ["predicting 1/2"]
    assert few.before(1) == ["predicting 2/2    remaining time: 0:00:00"]
    assert few.before(2) == []
    many = Progress(25)
    told = [index for index in range(26) if many.before(index)]
    assert told == [0, 9, 19]


def _plan(*tasks: ScanTask, table: Path | None = None) -> BatchPlan:
    return BatchPlan(tasks, table, len(tasks) == 1, Path("/o"))


ONE = ScanTask(Path("/i/a.nii"), Path("/o/a.nii"), Path("/p/a.nii"), Path("/r/a.nii"))
TWO = ScanTask(Path("/i/b.nii"), Path("/o/b.nii"), Path("/p/b.nii"), Path("/r/b.nii"))


def test_what_was_saved_is_told_as_there() -> None:
    assert saved(_plan(ONE, table=Path("/v.csv")), [ONE], [Path("/r/a.nii")]) == [
        "",
        "segmentation  saved in:    /o/a.nii",
        "posteriors saved in:       /p/a.nii",
        "resampled image saved in:  /r/a.nii",
        "volumes saved in:          /v.csv",
    ]
    assert saved(_plan(ONE, TWO), [TWO], [Path("/r/b.nii")]) == [
        "",
        "segmentations saved in:    /o",
        "posteriors saved in:       /p",
        "resampled images saved in: /r",
    ]


def test_nothing_is_told_of_what_was_not_saved() -> None:
    assert saved(_plan(ONE, table=Path("/v.csv")), [], []) == []
    assert not any("resampled" in line for line in saved(_plan(ONE), [ONE], []))
    elsewhere = ScanTask(Path("/i/c.nii"), Path("/other/c.nii"))
    assert saved(_plan(ONE, elsewhere), [ONE, elsewhere], []) == []


def test_the_last_lines_hold_the_peak_and_whom_to_cite() -> None:
    plain, robust = closing(Arguments(), 123), closing(Arguments(robust=True), None)
    assert "#@# mri_synthseg vmpeak  123" in plain
    assert sum("B. Billot" in line for line in plain) == 1
    assert sum("B. Billot" in line for line in robust) == 2


def test_nothing_to_say_is_no_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    say()
    say("a", "b")
    assert capsys.readouterr().out == "a\nb\n"
