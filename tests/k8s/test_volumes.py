"""What fills the volumes: whole commands of ours, each as a Job of its own name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from manifests import containers, find, pod_templates


@pytest.mark.parametrize("overlay", ["ingest", "export"])
def test_the_command_and_its_options_exist(overlay: str) -> None:
    (container,) = containers(overlay)
    program, command, *arguments = container["command"]
    options = {a.split("=")[0] for a in arguments if a.startswith("--")}
    module = f"{program.replace('-', '_')}.cli"
    done = subprocess.run(
        [sys.executable, "-c", f"from {module} import main; main()", command, "--help"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert all(option in done.stdout for option in options)


def test_an_export_reads_the_run_that_the_training_writes_and_the_server_s_volume_has_it() -> None:
    (container,) = containers("export")
    run = f"/data/runs/{find('training', 'JobSet')['metadata']['name']}"
    assert {"name": "RUN", "value": run} in container["env"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    ((_, pod),) = pod_templates("export")
    claims = {
        volume["persistentVolumeClaim"]["claimName"]: mounts[volume["name"]]
        for volume in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"synthseg-data": "/data", "synthseg-models": "/models"}
    (server,) = containers("serving-volume")
    assert f"--model_base_path={container['command'][3]}" in server["args"]


@pytest.mark.parametrize("overlay", ["ingest", "export", "files"])
def test_a_finished_job_makes_room_for_the_next(overlay: str) -> None:
    job = find(overlay, "Job")
    assert job["metadata"]["name"] == f"synthseg-{overlay}"
    assert job["spec"]["ttlSecondsAfterFinished"] > 0


def test_a_snapshot_is_of_the_data() -> None:
    source = find("snapshot", "VolumeSnapshot")["spec"]["source"]["persistentVolumeClaimName"]
    assert source == find("data", "PersistentVolumeClaim")["metadata"]["name"]
