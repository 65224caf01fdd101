from __future__ import annotations

from client_command import run_client
from synthseg_client.commands.bids_options import PARTICIPANT_FLAGS


def test_the_apps_options_are_told() -> None:
    told = run_client("bids", "--help").output
    for flag in (
        *PARTICIPANT_FLAGS,
        *("--session-label", "--bids-filter-file", "--skip-bids-validation", "-w", "--version"),
        *("--suffix", "--resume", "--jobs", "--server", "--robust", "--parc", "--qc", "--ct"),
    ):
        assert flag in told


def test_the_version_is_told_by_the_app_alone() -> None:
    run = run_client("bids", "--version")
    assert run.exit_code == 0
    assert "version" in run.output
