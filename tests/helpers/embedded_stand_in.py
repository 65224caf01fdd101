"""A package in the place of the real server, which takes a quarter of a minute to start."""

from __future__ import annotations

from pathlib import Path

HELPERS = Path(__file__).parent
# A stand-in for the server package: the contract server behind the same command line.
SERVER = f"""
import argparse, ctypes, json, os, signal, sys, threading
sys.path.insert(0, {str(HELPERS)!r})
from contract_server import ContractServer, serving

parser = argparse.ArgumentParser()
parser.add_argument("command")
parser.add_argument("model_dir", nargs="?")
parser.add_argument("--address")
parser.add_argument("--threads", type=int)
parser.add_argument("--cpu", action="store_true")
parser.add_argument("--parent-death", action="store_true")
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--official")
parser.add_argument("--own-model", action="store_true")
parser.add_argument("--on-demand", action="store_true")
parser.add_argument("--small", action="store_true")
parser.add_argument("--ready-file")
parser.add_argument("--idle-minutes", type=float)
parser.add_argument("--queue", type=int)
given = parser.parse_args()
if given.model_dir and given.model_dir.endswith("broken"):
    sys.exit("Error: no versions in " + given.model_dir)
if given.model_dir and given.model_dir.endswith("slow"):
    print("loading", flush=True)
    sys.stdin.read()
if given.model_dir and given.model_dir.endswith("stuck"):
    print("reading a disk", file=sys.stderr, flush=True)
    sys.stdin.read()
print(sys.argv[1:], file=sys.stderr, flush=True)
with serving(ContractServer(), given.address):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ready = {{"address": given.address, "model": "synthseg", "versions": [1]}}
    print(json.dumps(ready), flush=True)
    if given.ready_file:
        with open(given.ready_file + ".partial", "w") as file:
            json.dump(ready, file)
        os.rename(given.ready_file + ".partial", given.ready_file)
    if given.parent_death:
        sys.stdin.read()
    while not given.parent_death:
        signal.pause()
"""


def write_stand_in(folder: Path) -> Path:
    """Writes the package below a folder.

    Returns:
        The package; its parent belongs on the path of Python.
    """
    package = folder / "packages/synthseg_serving"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SERVER)
    return package
