"""The client's command, run in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result
from synthseg_client.cli import main


def run_client(*words: object) -> Result:
    """`synthseg-client` with these words."""
    return CliRunner().invoke(main, [*map(str, words)])
