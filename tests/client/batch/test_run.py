from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import contract_server
import nibabel as nib
import numpy as np
import pytest
from contract_server import ContractServer, serving
from loading import load_nifti
from sessions import JOURNAL, segment_into
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.session import Session
from synthseg_client.options import Options
from synthseg_common import contract
from synthseg_common.arrays import AnyArray
from two_readers import place_of


def _rows(path: Path) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in csv.reader(path.read_text().splitlines())}


def test_every_scan_gets_labels_a_row_and_a_sidecar(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    outcomes = segment_into(session, scans, tmp_path)
    assert [o.status for o in outcomes] == ["done"] * 4
    names = {"s0_synthseg.nii.gz", "s1_synthseg.nii", "s2_synthseg.mgz", "s3_synthseg.npz"}
    assert {p.name for p in (tmp_path / "out").iterdir() if p.suffix != ".json"} == names
    assert list(_rows(tmp_path / "vol.csv")) == ["subject", "s0", "s1.nii", "s2.mgz", "s3.npz"]
    sidecar = json.loads((tmp_path / "out/s0_synthseg.json").read_text())
    assert sidecar["model"]["served_version"] == 1
    assert sidecar["options"]["fast"] is False
    assert len(sidecar["scan"]["sha256"]) == 64


def test_one_bad_scan_does_not_stop_the_others(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    (scans / "s0.nii.gz").write_text("no scan")
    (scans / "empty.nii").touch()
    outcomes = {o.task.scan.name: o for o in segment_into(session, scans, tmp_path)}
    assert outcomes["s0.nii.gz"].status == outcomes["empty.nii"].status == "failed"
    assert str(scans / "s0.nii.gz") in outcomes["s0.nii.gz"].error
    assert sum(o.status == "done" for o in outcomes.values()) == 3
    assert list(_rows(tmp_path / "vol.csv")) == ["subject", "s1.nii", "s2.mgz", "s3.npz"]
    assert not (tmp_path / "out/s0_synthseg.nii.gz").exists()


def test_a_second_run_skips_what_is_done_and_rebuilds_the_table(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    segment_into(session, scans, tmp_path)
    table = (tmp_path / "vol.csv").read_text()
    (tmp_path / "vol.csv").unlink()
    model.requests.clear()
    outcomes = segment_into(session, scans, tmp_path, resume=True)
    assert {o.status for o in outcomes} == {"skipped"}
    assert not model.requests
    assert (tmp_path / "vol.csv").read_text() == table


def test_without_resume_everything_is_done_again(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    segment_into(session, scans, tmp_path)
    assert {o.status for o in segment_into(session, scans, tmp_path)} == {"done"}
    assert len(model.requests) == 8


@pytest.mark.parametrize("change", ["scan", "labels", "sidecar", "options", "model"])
def test_resuming_does_again_what_is_no_longer_true(
    session: Session,
    model: ContractServer,
    scans: Path,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    change: str,
) -> None:
    segment_into(session, scans, tmp_path)
    changed = 1
    options = Options()
    if change == "scan":
        save_scan(scans / "s0.nii.gz", seed=99)
    elif change == "labels":
        path = tmp_path / "out/s0_synthseg.nii.gz"
        path.write_bytes(path.read_bytes()[:-10])
    elif change == "sidecar":
        (tmp_path / "out/s0_synthseg.json").unlink()
    elif change == "options":
        options, changed = Options(fast=True), 4
    else:
        model.version, changed = 2, 4
        session.describe(refresh=True)
    outcomes = segment_into(session, scans, tmp_path, options, resume=True)
    assert sum(o.status == "done" for o in outcomes) == changed
    assert sum(o.status == "skipped" for o in outcomes) == 4 - changed


def test_labels_lie_in_the_scans_own_orientation(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    segment_into(session, scans, tmp_path)
    labels = load_nifti(tmp_path / "out/s0_synthseg.nii.gz")
    scan = load_nifti(scans / "s0.nii.gz")
    assert nib.aff2axcodes(labels.affine) == nib.aff2axcodes(scan.affine)
    assert labels.shape == (30, 64, 20) or labels.shape == (30, 32, 40)
    # The brightest box is label 41 at the same place in the world.
    where = np.argwhere(np.asanyarray(labels.dataobj) == 41).mean(axis=0)
    bright = np.argwhere(scan.get_fdata() > 90).mean(axis=0)
    np.testing.assert_allclose(
        place_of(tmp_path / "out/s0_synthseg.nii.gz", where),
        place_of(scans / "s0.nii.gz", bright),
        atol=0.5,
    )


def test_keeping_geometry_gives_the_scans_own_grid(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    segment_into(session, scans, tmp_path, Options(keep_geometry=True))
    labels, scan = load_nifti(tmp_path / "out/s0_synthseg.nii.gz"), load_nifti(scans / "s0.nii.gz")
    assert labels.shape == scan.shape
    np.testing.assert_allclose(labels.affine, scan.affine, atol=1e-6)
    for corner in ((0, 0, 0), (29, 31, 19)):
        np.testing.assert_allclose(
            place_of(tmp_path / "out/s0_synthseg.nii.gz", corner),
            place_of(scans / "s0.nii.gz", corner),
            atol=1e-4,
        )
    bright = scan.get_fdata() > 90
    found = np.asanyarray(labels.dataobj) == 41
    assert (found & bright).sum() / (found | bright).sum() > 0.7


def test_an_answer_of_the_wrong_shape_fails_the_scan_alone(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    def tamper(outputs: dict[str, AnyArray]) -> dict[str, AnyArray]:
        model.tamper = None
        return {**outputs, contract.FOREGROUND: outputs[contract.FOREGROUND][:-1]}

    model.tamper = tamper
    outcomes = segment_into(session, scans, tmp_path)
    (failed,) = (o for o in outcomes if o.status == "failed")
    assert "does not fit" in failed.error
    assert not failed.task.labels.exists()


def test_a_kill_loses_at_most_the_scans_in_flight(
    tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(8):
        save_scan(folder / f"s{index}.nii.gz", seed=index)
    server = ContractServer()

    def answer(outputs: dict[str, AnyArray]) -> dict[str, AnyArray]:
        # The fifth scan stays at the server: of the four before it, one may still be in work.
        server.delay_s = 600 if len(server.requests) == 4 else 0
        return outputs

    server.tamper = answer
    with serving(server) as address:
        command = [sys.executable, "-m", "synthseg_client", "segment", "--i", str(folder)]
        command += ["--o", str(tmp_path / "out"), "--vol", str(tmp_path / "vol.csv")]
        command += ["--server", address]
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(server.requests) < 5:
            assert child.poll() is None
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        written = {p.name for p in (tmp_path / "out").glob("[!.]*.nii.gz")}
        assert len(written) >= 3
        for name in written:
            load_nifti(tmp_path / "out" / name).get_fdata()
        server.requests.clear()
        server.delay_s, server.tamper = 0, None
        again = subprocess.run([*command, "--resume"], check=False, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already done") >= len(written) - 1
    assert len(server.requests) <= 8 - len(written) + 1
    assert len(_rows(tmp_path / "vol.csv")) == 9


def test_a_server_that_dies_in_the_middle_fails_the_rest_and_resuming_finishes(
    tmp_path: Path, scans: Path
) -> None:
    from synthseg_client.calls.retry import RetryPolicy
    from synthseg_client.calls.session import Session

    server = ContractServer()
    impatient = RetryPolicy(attempts=2, first_wait_s=0.01, server_wait_s=0)
    with serving(server) as address:
        session = Session(address, retry=impatient)
        plan = plan_batch([str(scans)], tmp_path / "out", volumes=tmp_path / "vol.csv")
        settings = BatchSettings(journal=tmp_path / JOURNAL, jobs=1)
        outcomes = run_batch(session, plan, settings)
        statuses = [next(outcomes).status]
    statuses += [o.status for o in outcomes]
    assert statuses[0] == "done"
    assert statuses[-1] == "failed"
    with serving(ContractServer()) as address, Session(address, retry=impatient) as session:
        rest = [o.status for o in segment_into(session, scans, tmp_path, resume=True)]
    assert rest.count("skipped") == statuses.count("done")
    assert len(_rows(tmp_path / "vol.csv")) == 5


def test_labels_that_change_their_meaning_in_the_middle_fail_the_rest(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    plan = plan_batch([str(scans)], tmp_path / "out", volumes=tmp_path / "vol.csv")
    outcomes = run_batch(session, plan, BatchSettings(jobs=1))
    assert next(outcomes).status == "done"
    model.version, model.names = 2, (*contract_server.NAMES[:-1], "renamed")
    rest = list(outcomes)
    assert [o.status for o in rest] == ["failed"] * 3
    assert "from synthseg:1 to synthseg:2, which has another label table" in rest[0].error
    assert list(_rows(tmp_path / "vol.csv")) == ["subject", "s0"]
    assert len(list((tmp_path / "out").iterdir())) == 2
