"""The command `mri_synthseg`; what is heavy is imported where it is used."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from synthseg_common.command_line import Terminated, terminable
from synthseg_common.errors import INTERRUPTED, TERMINATED, SynthSegError

from synthseg_client.mri_synthseg.arguments import parse_arguments, whole_parser

_FAILED = 1
"""Exit code of whatever went wrong, as there; the parser's own is 2, as there too."""


def main() -> None:
    """Runs the command and ends the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")  # file names of any bytes
    sys.exit(run_command(sys.argv[1:]))


def run_command(words: Sequence[str]) -> int:
    """Runs the command; returns the exit code.

    Args:
        words: The command line after the command's name.

    Raises:
        SystemExit: The parser refuses the words, or was asked for help.
    """
    if not words:
        whole_parser().print_help()
        return _FAILED
    try:
        with terminable():
            arguments = parse_arguments(words)
            from synthseg_client.mri_synthseg.run import run

            return run(arguments)
    except SynthSegError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        return _FAILED
    except KeyboardInterrupt as stop:
        terminated = isinstance(stop, Terminated)
        print("Terminated." if terminated else "Interrupted.", file=sys.stderr, flush=True)
        return TERMINATED if terminated else INTERRUPTED
