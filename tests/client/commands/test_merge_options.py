from __future__ import annotations

from pathlib import Path

from client_command import run_client


def test_a_table_is_a_csv_file_and_has_to_be_named(tmp_path: Path) -> None:
    assert "--o" in run_client("merge", tmp_path).output
    run = run_client("merge", tmp_path, "--o", "t.xlsx")
    assert run.exit_code == 2
    assert "--o t.xlsx: expected the name of a CSV file" in run.output
