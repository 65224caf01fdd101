"""DICOM through the command: what comes out, what is told, and what is told of nobody."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from client_command import run_client
from contract_server import ContractServer
from dicom_files import PATIENT, Made, rewrite, write_series
from loading import load_nifti
from pydicom import dcmread

SECRETS = (*PATIENT.values(), "Doe", "Jane", "19610203", "20200304", "ACC-55", "Roe", "made up")


def test_a_folder_gives_labels_segmentation_and_report(address: str, tmp_path: Path) -> None:
    write_series(tmp_path / "exam")
    out = tmp_path / "out"
    run = run_client(
        *("segment", "--i", tmp_path / "exam", "--o", out / "l.nii.gz", "--vol", out / "v.csv"),
        *("--dicom-seg", out / "s.dcm", "--dicom-sr", out / "r.dcm", "--server", address),
    )
    assert run.exit_code == 0, run.output
    assert {path.name for path in out.iterdir()} == {
        *("l.nii.gz", "l.json", "v.csv", "s.dcm", "r.dcm")
    }
    assert (out / "v.csv").read_text().splitlines()[1].startswith("exam,")
    scan = json.loads((out / "l.json").read_text())["scan"]
    assert (scan["file"], scan["series"]) == ("exam", 4)
    assert dcmread(out / "s.dcm").NumberOfFrames == 3 * 24


def test_nothing_about_the_patient_is_told_outside_dicom(address: str, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "exam", Made(leave_out=(5,)))
    rewrite(paths, lambda data: setattr(data, "ProtocolName", "Doe^Jane head"))
    write_series(tmp_path / "exam" / "more", Made(shape=(40, 36, 3)))
    out = tmp_path / "out"
    run = run_client(
        *("segment", "-v", "--json", "--i", tmp_path / "exam", "--o", out, "--vol", out / "v.csv"),
        *("--resample", out, "--tables", "--resume", "--server", address),
    )
    assert run.exit_code == 0, run.output
    texts = [run.output, *(path.read_bytes().decode("latin1") for path in out.iterdir())]
    texts += [path.name for path in out.iterdir()]
    texts += [repr(load_nifti(path).header) for path in out.glob("*.nii.gz")]
    series = dcmread(paths[0]).SeriesInstanceUID
    assert not any(word in text for text in texts for word in (*SECRETS, series))
    assert "interpolated between them" in run.output


def test_all_series_of_a_zip_go_to_a_folder(address: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "exam.zip", "w") as packed:
        for number in (1, 2):
            made = Made(study="1.2.3", fields={"SeriesNumber": number})
            for path in write_series(tmp_path / "in" / str(number), made):
                packed.write(path)
    out = tmp_path / "out"
    run = run_client(
        *("segment", "--i", tmp_path / "exam.zip", "--series", "all", "--o", out),
        *("--dicom-seg", out, "--server", address),
    )
    assert run.exit_code == 0, run.output
    assert {path.name for path in out.iterdir() if not path.name.endswith(".json")} == {
        *("exam_series1_synthseg.nii.gz", "exam_series2_synthseg.nii.gz"),
        *("exam_series1_seg.dcm", "exam_series2_seg.dcm", ".synthseg-journal.jsonl"),
    }


def test_finished_series_are_skipped_and_changed_ones_are_not(
    address: str, model: ContractServer, tmp_path: Path
) -> None:
    paths = write_series(tmp_path / "exam")
    words = ("segment", "--i", tmp_path / "exam", "--o", tmp_path / "out", "--resume")
    seg = ("--dicom-seg", tmp_path / "out", "--server", address)
    for done in (1, 1):
        assert run_client(*words, *seg).exit_code == 0
        assert len(model.requests) == done
    (tmp_path / "out" / "exam_seg.dcm").unlink()
    assert run_client(*words, *seg).exit_code == 0
    rewrite(paths[:1], lambda data: setattr(data, "SeriesNumber", 4))
    rewrite(paths, lambda data: setattr(data, "SeriesDescription", "new"))
    assert run_client(*words, *seg).exit_code == 0
    assert len(model.requests) == 3


def test_one_bad_source_fails_alone(address: str, tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "good")
    write_series(tmp_path / "in" / "bad", Made(shape=(40, 36, 3)))
    pattern = tmp_path / "in" / "*"
    run = run_client("segment", "--i", pattern, "--o", tmp_path / "out", "--server", address)
    assert run.exit_code == 1
    assert "bad: no series here can be segmented: series 4 has 3 slices" in run.output
    assert (tmp_path / "out" / "good_synthseg.nii.gz").exists()


def test_without_the_libraries_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "exam")
    monkeypatch.setattr("synthseg_client.dicom.extra.find_spec", lambda _: None)
    run = run_client("segment", "--i", tmp_path / "exam", "--o", tmp_path / "l.nii.gz")
    assert run.exit_code == 2
    assert "pip install 'synthseg-serving[dicom]'" in run.output
    assert not (tmp_path / "l.nii.gz").exists()


def test_other_scans_load_no_dicom_library() -> None:
    # Of pydicom, nibabel loads what it finds.
    code = (
        "import sys, synthseg_client.commands.segment;"
        "print([m for m in ('highdicom', 'dcm2niix') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
