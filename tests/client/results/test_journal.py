from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from loading import load_nifti
from sessions import JOURNAL, segment_into
from synthseg_client.calls.session import Session
from synthseg_client.results.journal import Entry, FailedEntry, Journal


def test_a_torn_journal_line_costs_that_scan_only(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    segment_into(session, scans, tmp_path, jobs=1)
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-30])
    statuses = [o.status for o in segment_into(session, scans, tmp_path, resume=True)]
    assert sorted(statuses) == ["done", "skipped", "skipped", "skipped"]
    assert {o.status for o in segment_into(session, scans, tmp_path, resume=True)} == {"skipped"}


def test_a_pair_of_files_is_done_again_when_either_changes(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = load_nifti(save_scan(tmp_path / "s.nii"))
    nib.save(nib.Nifti1Pair(scan.get_fdata(dtype=np.float32), scan.affine), tmp_path / "p.IMG")
    for named in ("p.IMG", "p.HDR"):
        assert [o.status for o in segment_into(session, tmp_path / named, tmp_path)] == ["done"]
        (known,) = segment_into(session, tmp_path / named, tmp_path, resume=True)
        assert known.status == "skipped"
        for changed in ("p.IMG", "p.HDR"):
            stored = bytearray((tmp_path / changed).read_bytes())
            stored[-1 if changed == "p.IMG" else 150] ^= 1  # in the description
            (tmp_path / changed).write_bytes(stored)
            (again,) = segment_into(session, tmp_path / named, tmp_path, resume=True)
            assert again.status == "done", again.error


def test_failures_are_told_until_the_scan_is_finished(tmp_path: Path) -> None:
    journal, labels = Journal(tmp_path / "j"), tmp_path / "l.nii"
    journal.append_failure(labels, FailedEntry("s.nii", "broken"))
    journal.append_failure(labels, FailedEntry("s.nii", "still broken"))
    assert journal.read() == {}
    assert journal.failures() == {str(labels): FailedEntry("s.nii", "still broken")}
    entry = Entry("s.nii", "ab", "options", "model", {}, {})
    journal.append(labels, entry)
    journal.append_failure(labels, FailedEntry("s.nii", "broken again"))
    assert journal.failures() == {}
    assert journal.read() == {str(labels): entry}
