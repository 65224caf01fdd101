"""The command as pipelines call it: standard output, files, exit codes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from colour_tables import table_in
from contract_server import ContractServer
from loading import load_image, load_nifti, voxels_of
from synthseg_client.mri_synthseg.cli import run_command

Run = Callable[..., int]


@pytest.fixture
def run(address: str) -> Run:
    """Runs the command with these words against a server, for small scans."""

    def run_it(*words: object) -> int:
        return run_command([*map(str, words), "--crop", "32", "--server", address])

    return run_it


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_one_scan_becomes_the_files_that_were_named_and_no_others(
    run: Run, tmp_path: Path, save_scan: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    out = tmp_path / "new/out"
    words = ("--i", scan, "--o", out / "l.nii.gz", "--post", out / "p.nii.gz", "--vol", out / "v")
    assert run(*words, "--resample", out / "r.nii.gz") == 0
    names = ["l.nii.gz", "p.nii.gz", "r.nii.gz", "v.csv"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert voxels_of(out / "l.nii.gz").dtype == np.int32
    assert _rows(out / "v.csv")[0][:2] == ["subject", "total intracranial"]
    assert [row[0] for row in _rows(out / "v.csv")[1:]] == ["s"]
    told = capsys.readouterr().out
    for line in (
        "SynthSeg 2.0",
        "path_volumes provided without csv extension. Adding csv extension.",
        "predicting 1/1",
        f"segmentation  saved in:    {out / 'l.nii.gz'}",
        f"posteriors saved in:       {out / 'p.nii.gz'}",
        f"resampled image saved in:  {out / 'r.nii.gz'}",
        f"volumes saved in:          {out / 'v.csv'}",
        "If you use this tool in a publication, please cite:",
    ):
        assert line in told.splitlines()
    assert "#@# mri_synthseg vmpeak  " in told


def test_results_of_an_earlier_call_are_made_anew(
    run: Run, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    labels, table = tmp_path / "l.nii.gz", tmp_path / "v.csv"
    labels.write_text("something else")
    table.write_text("subject,of before\n")
    for _ in range(2):
        assert run("--i", scan, "--o", labels, "--vol", table) == 0
        assert load_nifti(labels).ndim == 3
        assert len(_rows(table)) == 2
    assert len(model.requests) == 2


def test_a_scan_that_is_not_resampled_is_not_said_to_be_saved(
    run: Run, tmp_path: Path, save_scan: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz", (32, 32, 32), np.eye(4))
    resampled = tmp_path / "r.nii.gz"
    assert run("--i", scan, "--o", tmp_path / "l.nii.gz", "--resample", resampled) == 0
    assert not resampled.exists()
    resampled.write_text("of an earlier call")
    assert run("--i", scan, "--o", tmp_path / "l.nii.gz", "--resample", resampled) == 0
    assert "resampled image" not in capsys.readouterr().out


def test_a_bad_scan_of_a_folder_fails_alone(
    run: Run, tmp_path: Path, scans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = scans / "bad.nii.gz"
    bad.write_text("garbage")
    out = tmp_path / "out"
    assert run("--i", scans, "--o", out, "--vol", tmp_path / "v.csv") == 1
    assert sorted(p.name for p in out.iterdir()) == [
        "s0_synthseg.nii.gz", "s1_synthseg.nii", "s2_synthseg.mgz", "s3_synthseg.npz"
    ]  # fmt: skip
    rows = [row[0] for row in _rows(tmp_path / "v.csv")[1:]]
    assert rows == ["s0", "s1.nii", "s2.mgz", "s3.npz"]
    told = capsys.readouterr().out
    assert f"the following problem occurred with image {bad} :" in told
    assert f"segmentations saved in:    {out}" in told
    end = "ERROR: some problems occurred for the following inputs (see corresponding errors above):"
    assert told.splitlines()[-2:] == [end, str(bad)]


def test_nothing_is_said_to_be_saved_when_all_fails(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.nii.gz"
    bad.write_text("garbage")
    assert run("--i", bad, "--o", tmp_path / "l.nii.gz", "--vol", tmp_path / "v.csv") == 1
    told = capsys.readouterr().out
    assert "saved in" not in told
    assert "vmpeak" not in told
    assert not (tmp_path / "l.nii.gz").exists()
    assert len(_rows(tmp_path / "v.csv")) == 1


def test_scans_of_a_list_have_tables_of_their_own(
    run: Run, tmp_path: Path, scans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {
        "--i": ["s0.nii.gz", "gone.nii.gz", "s2.mgz"],
        "--o": ["a/1.nii.gz", "a/2.nii.gz", "b/3.mgz"],
        "--vol": ["1.csv", "2.csv", "3.csv"],
    }
    words: list[object] = []
    for flag, names in columns.items():
        folder = scans if flag == "--i" else tmp_path / "out"
        listing = tmp_path / f"{flag.strip('-')}.txt"
        listing.write_text("".join(f"{folder / name}\n" for name in names))
        words += [flag, listing]
    assert run(*words) == 1
    files = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert files == {"a/1.nii.gz", "b/3.mgz", "1.csv", "3.csv"}
    header, row = _rows(tmp_path / "out/3.csv")
    assert (header[0], row[0]) == ("", "s2.mgz")
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == str(scans / "gone.nii.gz")
    assert "saved in" not in told  # they went to several folders


@pytest.fixture
def freesurfer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`$FREESURFER_HOME` with a list of labels."""
    home = tmp_path / "freesurfer"
    home.mkdir()
    (home / "FreeSurferColorLUT.txt").write_text(
        "0 Unknown 0 0 0 0\n41 Right 1 2 3 0\n9 X 4 5 6 7\n"
    )
    monkeypatch.setenv("FREESURFER_HOME", str(home))
    return home


@pytest.mark.parametrize("name", ["l.nii.gz", "l.mgz"])
def test_the_whole_of_freesurfers_list_goes_into_label_maps(
    run: Run, tmp_path: Path, save_scan: Callable[..., Path], freesurfer: Path, name: str
) -> None:
    words = ("--i", save_scan(tmp_path / "s.nii.gz"), "--o", tmp_path / name)
    assert run(*words, "--addctab") == 0
    whole = [(0, "Unknown", 0, 0, 0, 0), (41, "Right", 1, 2, 3, 0), (9, "X", 4, 5, 6, 7)]
    assert table_in(tmp_path / name) == whole
    assert run(*words, "--noaddctab") == 0
    assert table_in(tmp_path / name) is None
    (freesurfer / "FreeSurferColorLUT.txt").unlink()
    assert run(*words) == 0
    assert [entry[:2] for entry in table_in(tmp_path / name) or ()] == [
        (0, "background"), (2, "left-white-matter"), (24, "csf"), (41, "right-white-matter")
    ]  # fmt: skip


def test_a_broken_list_of_freesurfers_is_told_before_anything(
    run: Run,
    model: ContractServer,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    freesurfer: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (freesurfer / "FreeSurferColorLUT.txt").write_text("0 Unknown 0 0 0 0\n41 Right\n")
    assert run("--i", save_scan(tmp_path / "s.nii.gz"), "--o", tmp_path / "l.nii.gz") == 1
    assert "FreeSurferColorLUT.txt, line 2: '41 Right'" in capsys.readouterr().err
    assert not model.requests


def test_keepgeom_is_for_label_maps_alone(
    run: Run, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    labels, maps = tmp_path / "l.nii.gz", tmp_path / "p.nii.gz"
    assert run("--i", scan, "--o", labels, "--post", maps, "--keepgeom") == 0
    assert load_image(labels).shape == (30, 32, 20)
    assert load_image(maps).shape == (30, 32, 40, 4)  # at 1 mm


def test_the_flags_reach_the_server(
    run: Run, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    assert run("--i", scan, "--o", tmp_path / "l.nii.gz", "--fast", "--cr", "64", "32", "32") == 0
    (request,) = model.requests
    assert not request["flip"]


def test_without_words_there_is_help_and_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([]) == 1
    assert "usage: mri_synthseg" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--o x.nii", "Error: please specify an input file/folder (--i)"),
        ("--i nowhere.nii --o x.nii", "Error: file does not exist: "),
        ("--i a --o b --robust --v1", "Error: The flag --v1 cannot be used with --robust"),
        ("--i a --o b --photo left", "Error: --photo is for stacks of photographs"),
        ("--i {scan} --o x.nii", "Error: the official SynthSeg's weights were not found"),
        ("--i {scan} --o x.nii --model no.h5", "Error: The provided model path does not exist"),
    ],
)
def test_whatever_cannot_be_done_is_an_error_in_words_and_exit_code_one(
    tmp_path: Path,
    save_scan: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    scan = save_scan(tmp_path / "s.nii.gz")
    assert run_command(words.format(scan=scan).split()) == 1
    assert capsys.readouterr().err.startswith(said)
    assert [p.name for p in tmp_path.iterdir()] == ["s.nii.gz"]


def test_file_names_of_any_bytes_are_told(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz").rename(os.fsdecode(bytes(tmp_path) + b"/\xff.nii.gz"))
    program = "from synthseg_client.mri_synthseg.cli import main; main()"
    words = ("--i", scan, "--o", tmp_path / "out", "--server", address, "--crop", "32")
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, timeout=120)
    assert done.returncode == 0
    assert b"/\xff_synthseg.nii.gz\n" in done.stdout
