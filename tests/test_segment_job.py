"""The Indexed Job's own command lines over a dataset in a real S3 server, pods killed meanwhile."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from client_command import run_client
from contract_server import ContractServer, serving
from job_pods import JobRun, command_of, job_of
from loading import load_nifti
from s3_server import S3Server, s3_server
from synthseg_common import object_storage as storage
from synthseg_common.errors import TERMINATED, WRONG_USE

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def write_dataset(folder: Path, address: str, count: int) -> None:
    """Scans that differ, in folders of subjects, here and in object storage."""
    for number in range(count):
        image = np.random.default_rng(number).random((24, 26, 22), np.float32)
        image[5:19, 5:21, 5:17] += 60
        image[9:15, 9:17, 8:14] += 40 + number / count
        path = folder / f"sub-{number:03}" / f"sub-{number:03}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(image, np.eye(4)), path)
        storage.put(path, f"{address}/{path.relative_to(folder)}")


def run_killed(s3: S3Server, tmp_path: Path, *, scans: int, shards: int, kills: int) -> None:
    bucket = s3.make_bucket(f"job-{uuid.uuid4().hex[:8]}")
    local, results = tmp_path / "scans", f"{bucket}/out/"
    write_dataset(local, f"{bucket}/in", scans)
    values = {"SCANS": f"{bucket}/in/**/*_T1w.nii.gz", "RESULTS": results, "SHARDS": str(shards)}
    (tmp_path / "logs").mkdir()
    server = ContractServer(delay_s=0.3)
    with serving(server) as address:
        command = command_of(job_of("segment"), values, {"--server=": f"--server={address}"})
        job = JobRun(command, shards, min(shards, 4), kills, 17, tmp_path / "logs")
        started = time.monotonic()
        # While a scan is at the server, others are read, cleaned up or uploaded.
        job.run(lambda: len(server.requests) > len(server.busy), (0.5, 2.0))
        seconds = time.monotonic() - started
        asked = len(server.requests)
        merge = command_of(job_of("segment-merge"), values, {})
        merged = subprocess.run(merge, capture_output=True, text=True, timeout=600, check=False)
        assert merged.returncode == 0, merged.stderr
        words = ("segment", "--i", f"{local}/**/*_T1w.nii.gz", "--o", tmp_path / "expected")
        expected = run_client(*words, "--server", address)
        assert expected.exit_code == 0, expected.output
    told = json.loads(merged.stdout)
    print(f"{seconds:.0f} s, {job.killed} kills, {asked} requests, pods' codes {job.codes}, {told}")
    assert job.killed == kills
    assert (told["scans"], told["done"], told["duplicates"]) == (scans, scans, 0)
    # Of each kill at most the scans in work are done again.
    assert scans <= asked <= scans + 2 * kills
    compare(results, tmp_path, scans)


def compare(results: str, tmp_path: Path, scans: int) -> None:
    """Every file is there once and whole, as without kills; the table has a row for each scan."""
    names = [f"sub-{number:03}_T1w" for number in range(scans)]
    maps = {f"{name}_synthseg.nii.gz" for name in names}
    files = {entry.url.removeprefix(results) for entry in storage.listing(results)}
    records = {f".synthseg-records/{name}.json" for name in maps}
    sidecars = {f"{name}_synthseg.json" for name in names}
    assert files == maps | records | sidecars | {"merged.csv", ".synthseg-records/writable"}
    for name in maps:
        storage.get(f"{results}{name}", tmp_path / "got.nii.gz")
        got = np.asanyarray(load_nifti(tmp_path / "got.nii.gz").dataobj)
        wanted = np.asanyarray(load_nifti(tmp_path / "expected" / name).dataobj)
        np.testing.assert_array_equal(got, wanted)
    table = storage.get_bytes(f"{results}merged.csv")
    assert table is not None
    rows = list(csv.DictReader(table.decode().splitlines()))
    assert [row["subject"] for row in rows] == names
    assert {row["status"] for row in rows} == {"done"}
    assert {row["model"] for row in rows} == {"synthseg:1"}
    assert all(float(row["csf"]) > 0 for row in rows)


def test_a_dataset_is_whole_though_pods_were_killed(s3: S3Server, tmp_path: Path) -> None:
    run_killed(s3, tmp_path, scans=16, shards=2, kills=1)


@pytest.mark.slow
def test_two_hundred_scans_are_whole_though_pods_were_killed(s3: S3Server, tmp_path: Path) -> None:
    run_killed(s3, tmp_path, scans=200, shards=16, kills=12)


@pytest.mark.parametrize("overlay", ["segment", "segment-volume", "segment-kueue"])
def test_a_job_has_as_many_parts_as_its_commands_know(overlay: str) -> None:
    job = job_of(overlay)
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    told = {one["name"]: one["value"] for one in container["env"]}
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == int(told["SHARDS"])
    assert "--shard=job/$(SHARDS)" in container["args"]
    assert "--resume" in container["args"]
    assert spec["backoffLimitPerIndex"] > 0
    stored = told["SCANS"].startswith("s3://")
    assert stored == (overlay != "segment-volume")
    assert ("kueue.x-k8s.io/queue-name" in job["metadata"]["labels"]) == overlay.endswith("kueue")


def test_what_no_retry_mends_ends_the_job_and_what_says_nothing_of_scans_is_not_counted() -> None:
    rules = job_of("segment")["spec"]["podFailurePolicy"]["rules"]
    told = {
        rule["onExitCodes"]["values"][0] if "onExitCodes" in rule else "evicted": rule["action"]
        for rule in rules
    }
    assert told == {"evicted": "Ignore", TERMINATED: "Ignore", WRONG_USE: "FailJob"}


def test_what_is_merged_is_what_was_segmented() -> None:
    stored = [job_of(name)["spec"]["template"]["spec"] for name in ("segment", "segment-merge")]
    places = [
        {one["name"]: one["value"] for one in spec["containers"][0]["env"]} for spec in stored
    ]
    assert places[0]["SCANS"] == places[1]["SCANS"]
    assert places[0]["RESULTS"] == places[1]["RESULTS"]
    assert places[0]["RESULTS"].endswith("/"), "a folder"
