from __future__ import annotations

from pathlib import Path

from synthseg_client.bids.participants import keep_participants
from synthseg_common.files import FileGroup


def _kept(root: Path, subjects: set[str]) -> tuple[str, str]:
    with FileGroup() as group:
        problem = keep_participants(root, root / "out", subjects, group)
    return (root / "out/participants.tsv").read_text(), problem


def test_rows_of_those_with_results_are_kept(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-1\t20\nsub-2\t30\n")
    (tmp_path / "participants.json").write_text('{"age": {}}')
    text, problem = _kept(tmp_path, {"sub-2", "sub-3"})
    assert text == "participant_id\tage\nsub-2\t30\nsub-3\tn/a\n"
    assert problem == ""
    assert (tmp_path / "out/participants.json").read_text() == '{"age": {}}'


def test_without_a_table_or_with_a_broken_one_there_are_names(tmp_path: Path) -> None:
    assert _kept(tmp_path, {"sub-1"}) == ("participant_id\nsub-1\n", "")
    (tmp_path / "participants.tsv").write_text("subject\nsub-1\n")
    text, problem = _kept(tmp_path, {"sub-1"})
    assert text == "participant_id\nsub-1\n"
    assert "cannot be read" in problem
