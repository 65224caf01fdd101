"""What `proto` does: the files from which any language makes its messages and stubs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from synthseg_common.files import write_text

from synthseg_client.commands.report import say

PROTO_FILES = ("messages.proto", "services.proto")


def run_proto(folder: Path) -> int:
    """Writes the files into a folder and says where; returns the exit code.

    Raises:
        OutputError: They cannot be written.
    """
    for name in PROTO_FILES:
        text = files("synthseg_client").joinpath(name).read_text(encoding="utf-8")
        write_text(folder / name, text)
        say(str(folder / name))
    return 0
