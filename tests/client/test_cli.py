from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from client_command import run_client
from contract_server import ContractServer
from typed import there

HEAVY = (
    "bidsschematools",
    "yaml",
    "nibabel",
    "scipy",
    "grpc",
    "numpy",
    "google.protobuf",
    "tensorflow",
    "keras",
)


def _fresh(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    "words", [["--help"], ["segment", "--help"], ["bids", "--help"], ["--version"]]
)
def test_help_and_version_load_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["synthseg-client", *{words!r}]
from synthseg_client.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print([m for m in {HEAVY!r} if m in sys.modules])
"""
    assert _fresh(code).stdout.splitlines()[-1] == "[]"


def test_nothing_of_the_client_loads_tensorflow() -> None:
    code = """
import importlib, pkgutil, sys, synthseg_client
for module in pkgutil.iter_modules(synthseg_client.__path__):
    if module.name != "__main__":
        importlib.import_module("synthseg_client." + module.name)
print([m for m in sys.modules if m.partition(".")[0] in ("tensorflow", "keras")])
"""
    assert _fresh(code).stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["labels", "status"])
def test_a_command_that_asks_has_nothing_to_resume(
    command: str, address: str, model: ContractServer
) -> None:
    model.describe_delay_s = 600
    words = [sys.executable, "-m", "synthseg_client", command, "--server", address]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as asking:
        assert model.asked.wait(60)
        asking.send_signal(signal.SIGINT)
        _, said = asking.communicate(timeout=60)
    assert asking.returncode == 130
    assert "interrupted" in said
    assert "--resume" not in said


def test_public_names_are_all_there() -> None:
    import synthseg_client

    for name in synthseg_client.__all__:
        assert getattr(synthseg_client, name)
    with pytest.raises(AttributeError):
        _ = synthseg_client.nothing


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["segment", "--i", "nothing.nii.gz", "--o", "l.nii"], 1, "no such file"),
        (["segment", "--i", "s.nii.gz", "--o", "l.img"], 2, "ends in"),
        (["segment", "--i", "s.nii.gz", "--o", "l.nii", "--crop", "big"], 2, "--crop"),
        (["segment", "--i", "s.nii.gz", "--o", "l.nii", "--threads", "2"], 2, "--threads"),
        (["segment", "--i", "s.nii.gz", "--o", "l.nii", "--cpu"], 2, "--cpu"),
        (["segment", "--i", "s.nii.gz", "--o", "l.nii", "--model", "a:b"], 2, "--model"),
        (["segment", "--i", "s.nii.gz", "--o", "l.nii", "--model", "other"], 2, "other"),
        (["segment", "--i", "text.nii.gz", "--o", "l.nii"], 1, "text.nii.gz"),
        (["segment", "--o", "l.nii"], 2, "--i"),
        (["segment", "--i", "s.nii.gz"], 2, "--o"),
        (["segment", "--i", "s.nii.gz", "--o", "l.nrrd"], 2, ".nrrd files are not written"),
        (["segment", "--i", "s.nii.gz", "--o", "l.nii", "--vol", "v/"], 2, "v: is a folder"),
        (["segment", "--i", "", "--o", "l.nii"], 2, "an empty name"),
        (["segment", "--i", "s.nii.gz", "--o="], 2, "an empty name"),
        (["segment", "--i", "s.nii.gz", "--o=~/l.nii"], 2, "write out the path"),
        (["segment", "--i", "s.nii.gz", "--o", "s.nii.gz/l.nii"], 2, "cannot be made"),
    ],
)
def test_mistakes_are_told_in_one_line(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    save_scan: Callable[..., Path],
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_scan(tmp_path / "s.nii.gz")
    (tmp_path / "text.nii.gz").write_text("This is no scan.")
    run = run_client(*words, "--server", address)
    assert run.exit_code == code, run.output
    assert said in run.output
    if "Usage" not in run.output:
        assert len(run.output.strip().splitlines()) == 1
    assert {p.name for p in tmp_path.iterdir()} <= {"s.nii.gz", "text.nii.gz"}


def test_an_interrupt_ends_the_command_soon(
    model: ContractServer, address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scans = [save_scan(tmp_path / f"s{i}.nii.gz") for i in range(3)]
    model.delay_s = 600
    command = [sys.executable, "-m", "synthseg_client", "segment", "--i", *map(str, scans)]
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        model.requests.clear()
        child = subprocess.Popen(
            [*command, "--o", str(tmp_path / "out"), "--server", address],
            stderr=subprocess.PIPE,
            text=True,
        )
        while not model.requests:
            assert child.poll() is None, there(child.stderr).read()
            time.sleep(0.05)
        child.send_signal(number)
        # Far less than the answer would take, and time enough for a busy machine.
        _, errors = child.communicate(timeout=200)
        assert child.returncode == code
        assert "--resume" in errors
