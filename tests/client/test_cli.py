from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from contract_server import ContractServer
from loading import load_nifti
from synthseg_client.cli import main
from synthseg_common import contract
from typed import there

HEAVY = ("nibabel", "scipy", "grpc", "numpy", "google.protobuf", "tensorflow", "keras")


def _run(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


def _fresh(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("words", [["--help"], ["segment", "--help"], ["--version"]])
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


def test_one_scan_is_segmented_with_all_its_companions(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "scan.nii.gz")
    outputs = {"--o": "l.nii.gz", "--post": "p.nii.gz", "--resample": "r.nii.gz", "--vol": "v"}
    words = [word for flag, name in outputs.items() for word in (flag, tmp_path / name)]
    run = _run("segment", "--i", scan, *words, "--tables", "--server", address)
    assert run.exit_code == 0, run.output
    names = {p.name for p in tmp_path.iterdir()}
    companions = {"l.json", "l.tsv", "l.ctab"}
    assert names == {
        "scan.nii.gz", "l.nii.gz", "p.nii.gz", "r.nii.gz", "v.csv", *companions
    }  # fmt: skip
    labels = load_nifti(tmp_path / "l.nii.gz")
    posteriors = load_nifti(tmp_path / "p.nii.gz").get_fdata()
    np.testing.assert_allclose(posteriors.sum(axis=-1), 1, atol=1e-3)
    values = np.array([0, 2, 24, 41])[posteriors.argmax(axis=-1)]
    np.testing.assert_array_equal(values, np.asanyarray(labels.dataobj))


def test_a_table_with_and_without_posteriors_is_the_same(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "scan.nii.gz", (160, 160, 160), np.diag([1.0, 1, 1, 1]))
    tables = []
    for index, extra in enumerate(([], ["--post", tmp_path / "p.nii"])):
        table = tmp_path / f"{index}.csv"
        run = _run(
            *("segment", "--i", scan, "--o", tmp_path / "l.nii", "--vol", table, *extra),
            *("--server", address),
        )
        assert run.exit_code == 0, run.output
        tables.append(np.array(table.read_text().splitlines()[1].split(",")[1:], float))
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-3)


def test_several_files_and_crop_numbers_may_follow_their_option(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scans = [save_scan(tmp_path / f"s{i}.nii.gz", seed=i) for i in range(3)]
    run = _run(
        *("segment", "--i", *scans, "--crop", 40, 64, 80, "--o", tmp_path / "out", "--jobs", 1),
        *("--server", address),
    )
    assert run.exit_code == 0, run.output
    assert len(list((tmp_path / "out").glob("s?_synthseg.nii.gz"))) == 3
    assert {tuple(r["min_size"].tolist()) for r in model.requests} == {(64, 64, 96)}


def test_fast_and_ct_reach_the_server(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    flags = ("--fast", "--ct", "--crop", "none")
    run = _run("segment", "--i", scan, "--o", tmp_path / "l.nii", *flags, "--server", address)
    assert run.exit_code == 0, run.output
    (request,) = model.requests
    assert request["flip"].item() is False
    assert request["image"].max() == 80
    assert request["min_size"].tolist() == [128, 128, 128]


def test_the_part_grows_where_structures_reach_the_cut(
    address: str, model: ContractServer, tmp_path: Path
) -> None:
    volume = np.random.default_rng(0).random((230, 40, 40)).astype(np.float32)
    volume[2:228, 5:35, 5:35] += 100  # wider than the limit
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "s.nii")
    run = _run("segment", "--i", tmp_path / "s.nii", "--o", tmp_path / "l.nii", "--server", address)
    assert run.exit_code == 0, run.output
    assert [r["image"].shape[0] for r in model.requests] == [192, 230]
    assert "enlarged" in run.output
    labels = np.asanyarray(load_nifti(tmp_path / "l.nii").dataobj)
    assert labels[2, 20, 20]
    assert labels[227, 20, 20]


def test_an_explicit_crop_is_obeyed_with_a_warning(
    address: str, model: ContractServer, tmp_path: Path
) -> None:
    volume = np.random.default_rng(0).random((100, 40, 40)).astype(np.float32)
    volume[2:98, 5:35, 5:35] += 100
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "s.nii")
    run = _run(
        *("segment", "--i", tmp_path / "s.nii", "--o", tmp_path / "l.nii", "--crop", 64),
        *("--server", address),
    )
    assert run.exit_code == 0
    assert len(model.requests) == 1
    assert "a larger one may be needed" in run.output


def test_json_gives_one_object_per_scan(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    save_scan(tmp_path / "a.nii.gz")
    (tmp_path / "b.nii.gz").write_text("no scan")
    run = CliRunner().invoke(
        main,
        [
            "segment",
            "--i",
            str(tmp_path),
            "--o",
            str(tmp_path / "o"),
            "--json",
            "--server",
            address,
        ],
    )
    assert run.exit_code == 1
    records = {Path(r["scan"]).name: r for r in map(json.loads, run.stdout.splitlines())}
    assert records["a.nii.gz"]["status"] == "done"
    assert records["a.nii.gz"]["volumes_mm3"]["csf"] > 0
    assert records["b.nii.gz"]["status"] == "failed"
    assert "b.nii.gz" in records["b.nii.gz"]["error"]


def test_the_list_of_failures_names_the_scans(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scans = [save_scan(tmp_path / f"s{i}.nii.gz", seed=i) for i in range(2)]
    model.tamper = lambda outputs: {
        **outputs,
        contract.FOREGROUND: np.zeros_like(outputs[contract.FOREGROUND]),
        contract.POSTERIORS: outputs[contract.POSTERIORS][:0],
    }
    run = _run("segment", "--i", *scans, "--o", tmp_path / "o", "--server", address)
    assert run.exit_code == 1
    listed = [line.strip() for line in run.output.splitlines() if line.startswith("  ")]
    assert sorted(line.partition(": nothing was found")[0] for line in listed) == [*map(str, scans)]


@pytest.mark.parametrize("command", ["segment", "labels", "status"])
def test_a_full_disk_under_standard_output_is_told_in_one_line(
    address: str, tmp_path: Path, save_scan: Callable[..., Path], command: str
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    files = ["--i", str(scan), "--o", str(tmp_path / "l.nii"), "--json"]
    words = files if command == "segment" else []
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "synthseg_client", command, *words, "--server", address],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert run.returncode == 1
    assert len(run.stderr.strip().splitlines()) == 1
    assert "standard output: cannot be written: No space left" in run.stderr


def test_labels_prints_the_table(address: str) -> None:
    run = _run("labels", "--server", address)
    assert run.output.splitlines()[1:3] == ["0\tbackground\t0\t0", "2\tleft white matter\t1\t41"]
    table = json.loads(_run("labels", "--json", "--server", address).output)
    assert [row["value"] for row in table["labels"]] == [0, 2, 24, 41]


def test_status_tells_health_and_versions(address: str) -> None:
    facts = json.loads(_run("status", "--json", "--server", address).output)
    assert facts["health"] == "SERVING"
    assert facts["versions"] == {"1": "AVAILABLE"}
    assert facts["labels"] == 4


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
    run = _run(*words, "--server", address)
    assert run.exit_code == code, run.output
    assert said in run.output
    if "Usage" not in run.output:
        assert len(run.output.strip().splitlines()) == 1
    assert {p.name for p in tmp_path.iterdir()} <= {"s.nii.gz", "text.nii.gz"}


def test_a_folder_that_may_not_be_written_is_told_before_any_work(
    address: str,
    model: ContractServer,
    save_scan: Callable[..., Path],
    as_nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    import synthseg_client.commands.segment  # noqa: F401 - while modules may still be read

    with tempfile.TemporaryDirectory() as name:
        scan = save_scan(Path(name) / "s.nii.gz")
        folder = Path(name) / "out"
        folder.mkdir(mode=0o555)
        Path(name).chmod(0o755)
        with as_nobody():
            run = _run("segment", "--i", scan, "--o", folder, "--server", address)
        assert not list(folder.iterdir())
    assert run.exit_code == 1
    assert "no permission to write" in run.output
    assert not model.requests


def test_a_folder_in_the_place_of_a_table_is_told_before_any_work(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan, table = save_scan(tmp_path / "s.nii.gz"), tmp_path / "v.csv"
    table.mkdir()
    run = _run("segment", "--i", scan, "--o", tmp_path / "o", "--vol", table, "--server", address)
    assert run.exit_code == 2
    assert "v.csv: is a folder" in run.output
    assert not model.requests
    assert not (tmp_path / "o").exists()


def test_a_scans_own_sidecar_is_left_alone(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan, sidecar = save_scan(tmp_path / "sub-00_T1w.nii.gz"), tmp_path / "sub-00_T1w.json"
    sidecar.write_text('{"EchoTime": 0.003}')
    words = ("segment", "--i", scan, "--o", tmp_path / "sub-00_T1w.mgz", "--server", address)
    run = _run(*words)
    assert run.exit_code == 2
    assert "--no-sidecar" in run.output
    assert not model.requests
    assert _run(*words, "--no-sidecar").exit_code == 0
    assert sidecar.read_text() == '{"EchoTime": 0.003}'


def test_scans_of_one_name_get_results_and_rows_of_their_own(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    for index, subject in enumerate(("bert", "anna")):
        (tmp_path / "fs" / subject / "mri").mkdir(parents=True)
        save_scan(tmp_path / "fs" / subject / "mri/orig.mgz", seed=index)
    table, words = tmp_path / "v.csv", ("segment", "--i", f"{tmp_path}/fs/**/orig.mgz")
    for places in (("--o", tmp_path / "out"), ("--beside-scans",)):
        run = _run(*words, *places, "--vol", table, "--server", address)
        assert run.exit_code == 0, run.output
        rows = [line.partition(",")[0] for line in table.read_text().splitlines()]
        assert rows == ["subject", "anna_orig.mgz", "bert_orig.mgz"]
    names = {f"{s}_orig_synthseg{e}" for s in ("anna", "bert") for e in (".mgz", ".json")}
    assert {p.name for p in (tmp_path / "out").iterdir() if p.name[0] != "."} == names
    assert (tmp_path / "fs/bert/mri/orig_synthseg.mgz").exists()


@pytest.mark.parametrize("others", [0, 1])
def test_scans_that_only_their_endings_tell_apart_fail_alone(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path], others: int
) -> None:
    folder = tmp_path / "dup"
    folder.mkdir()
    for name in ("T1.nii", "T1.nii.gz", "T2.nii")[: 2 + others]:
        save_scan(folder / name)
    words = ("segment", "--i", folder, "--o", tmp_path / "out", "--server", address)
    run = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert run.exit_code == 1
    records = {Path(r["scan"]).name: r for r in map(json.loads, run.stdout.splitlines())}
    statuses = {"T1.nii": "failed", "T1.nii.gz": "failed", "T2.nii": "done"}
    assert {name: r["status"] for name, r in records.items()} == dict(
        [*statuses.items()][: 2 + others]
    )
    assert f"both it and {folder / 'T1.nii.gz'}" in records["T1.nii"]["error"]
    assert run.stderr.count(f"FAILED {folder / 'T1.nii'}: ") == 1
    assert len(model.requests) == others


def test_one_folder_that_may_not_be_written_fails_its_scans_alone(
    address: str, tmp_path: Path, save_scan: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_scan(tmp_path / "s.nii")
    (tmp_path / "in.txt").write_text("s.nii\ns.nii\nmissing/t.nii\n")
    (tmp_path / "out.txt").write_text("s.nii/1.nii\no/2.nii\nnew/3.nii\n")
    run = _run("segment", "--i", "in.txt", "--o", "out.txt", "--server", address)
    assert run.exit_code == 1
    assert "FAILED s.nii: " in run.output
    assert "cannot be made for the results" in run.output
    assert (tmp_path / "o/2.nii").exists()
    assert not (tmp_path / "new").exists()


def test_a_server_that_is_too_slow_fails_the_scan(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    model.delay_s = 600
    scan, out = save_scan(tmp_path / "s.nii.gz"), tmp_path / "out"
    run = _run("segment", "--i", scan, "--o", out, "--timeout", 0.2, "--server", address)
    assert run.exit_code == 1
    assert "did not answer in time" in run.output
    assert not list(out.iterdir())


def test_a_server_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    words = ("segment", "--i", scan, "--o", tmp_path / "l.nii", "--server", "localhost:1")
    run = _run(*words, "--server-wait", 0)
    assert run.exit_code == 1
    assert "no server answers at localhost:1" in run.output
    assert len(run.output.strip().splitlines()) == 1


def test_the_server_may_be_named_in_the_environment(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHSEG_SERVER", address)
    assert _run("labels").exit_code == 0


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
            # Tests run in the background of a shell inherit that the interrupt is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        while not model.requests:
            assert child.poll() is None, there(child.stderr).read()
            time.sleep(0.05)
        child.send_signal(number)
        # Far less than the answer would take, and time enough for a busy machine.
        _, errors = child.communicate(timeout=200)
        assert child.returncode == code
        assert "--resume" in errors


@pytest.mark.parametrize("token", ["caf\u00e9", "two\nlines", "\udce9"])
@pytest.mark.parametrize("from_file", [True, False])
def test_what_is_no_token_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, from_file: bool
) -> None:
    stored, given = token.encode(errors="surrogateescape"), []
    if from_file:
        (tmp_path / "t").write_bytes(stored)
        given = ["--token-file", tmp_path / "t"]
    else:
        monkeypatch.setenv("SYNTHSEG_TOKEN", token)
    run = _run("status", "--server", "localhost:1", *given)
    assert run.exit_code == 2
    assert (str(tmp_path / "t") if from_file else "SYNTHSEG_TOKEN") in run.output
    assert "two" not in run.output
    assert len(run.output.strip().splitlines()) == 1
