"""What the commands have in common."""

from __future__ import annotations

import subprocess
import sys

import pytest

# As Zarr and Dask leave their event loops when they are broken off.
INTERRUPTED = """
import asyncio, atexit, gc, logging, signal
from synthseg_common.command_line import ErrorReportingGroup
import click

@click.group(cls=ErrorReportingGroup)
def main(): pass

def close():
    logging.getLogger("library").warning("forcefully closing")
    raise RuntimeError("cannot close")

@main.command()
def work():
    loop = asyncio.new_event_loop()
    failed = loop.create_future()
    failed.set_exception(RuntimeError("cannot schedule"))
    main.failed = failed
    atexit.register(close)
    signal.raise_signal(signal.{name})

main(["work"])
"""


@pytest.mark.parametrize(
    ("name", "code", "line"), [("SIGINT", 130, "Interrupted."), ("SIGTERM", 143, "Terminated.")]
)
def test_one_line_is_all_that_is_said_at_a_signal(name: str, code: int, line: str) -> None:
    program = INTERRUPTED.replace("{name}", name)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == code
    assert ended.stderr == f"{line}\n"
