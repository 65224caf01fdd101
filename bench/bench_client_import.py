"""Cost of starting the client: its `--help` and its import, against three packages it builds on."""

from __future__ import annotations

import sys
from pathlib import Path

from common import compare, table

ROUNDS = 7
CLIENT = Path(sys.executable).with_name("synthseg-client")
COMMANDS = {
    "python -c 'import numpy, nibabel, click'": [
        sys.executable,
        "-c",
        "import numpy, nibabel, click",
    ],
    "synthseg-client --help": [CLIENT, "--help"],
    "synthseg-client segment --help": [CLIENT, "segment", "--help"],
    "python -c 'import synthseg_client'": [sys.executable, "-c", "import synthseg_client"],
}

if __name__ == "__main__":
    print(table("Starting the client", compare(COMMANDS, ROUNDS)))
