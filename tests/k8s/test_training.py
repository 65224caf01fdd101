"""A training as a JobSet: names, settings, and what follows an exit code."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from manifests import Manifest, build, containers, find, quantity, with_kind
from synthseg_common.errors import TERMINATED, WRONG_USE
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.ingest import ingest
from synthseg_trainer.config import load_settings
from synthseg_trainer.training.distribution import samples_per_replica

TRAININGS = with_kind("JobSet")


def environment(overlay: str) -> dict[str, str]:
    """The trainer's variables as the kubelet makes them: maps, then its own, `$(NAME)` put in."""
    (container,) = containers(overlay)
    found: dict[str, str] = {"JOB_COMPLETION_INDEX": "0"}
    for source in container["envFrom"]:
        found |= find(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
    for entry in container["env"]:
        value = entry.get("value", find(overlay, "JobSet")["metadata"]["name"])
        found[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], value)
    return found


def call_trainer(overlay: str, tmp_path: Path, **changed: str) -> list[str]:
    """Runs the container's command with a trainer that tells `TF_CONFIG` and its arguments."""
    trainer = tmp_path / "synthseg-trainer"
    trainer.write_text('#!/bin/sh\nprintf "%s\\n" "${TF_CONFIG:-none}" "$@"\nexit 143\n')
    trainer.chmod(0o755)
    (container,) = containers(overlay)
    done = subprocess.run(
        container["command"],
        env={**environment(overlay), "PATH": f"{tmp_path}:/usr/bin:/bin", **changed},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 143, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("overlay", TRAININGS)
def test_workers_find_each_other_by_stable_names(overlay: str, tmp_path: Path) -> None:
    jobset = find(overlay, "JobSet")
    (job,) = jobset["spec"]["replicatedJobs"]
    machines = job["template"]["spec"]["parallelism"]
    assert job["template"]["spec"]["completions"] == machines
    assert environment(overlay)["WORKERS"] == str(machines)
    told = call_trainer(overlay, tmp_path)[0]
    if machines == 1:
        assert told == "none"
        return
    (container,) = containers(overlay)
    name, port = jobset["metadata"]["name"], container["ports"][0]["containerPort"]
    assert jobset["spec"]["network"]["enableDNSHostnames"] is True
    assert json.loads(told) == {
        "cluster": {
            "worker": [f"{name}-{job['name']}-0-{i}.{name}:{port}" for i in range(machines)]
        },
        "task": {"type": "worker", "index": 0},
    }
    # The longest name that Kubernetes makes of it, that of a pod's host.
    assert len(f"{name}-{job['name']}-0-{machines - 1}") <= 63


@pytest.mark.parametrize("overlay", TRAININGS)
def test_run_store_and_scheduler_are_variables(overlay: str, tmp_path: Path) -> None:
    name = find(overlay, "JobSet")["metadata"]["name"]
    arguments = call_trainer(overlay, tmp_path)[1:]
    assert arguments[arguments.index("--run") + 1] == f"/data/runs/{name}"
    assert arguments[arguments.index("--store") + 1] == "/data/labels.zarr"
    assert "--scheduler" not in arguments
    changed = {"STORE": "s3://a b/c.zarr", "SCHEDULER": "tcp://dask-scheduler:8786"}
    arguments = call_trainer(overlay, tmp_path, **changed)[1:]
    assert arguments[arguments.index("--store") + 1] == changed["STORE"]
    assert arguments[arguments.index("--scheduler") + 1] == changed["SCHEDULER"]


@pytest.mark.parametrize("overlay", TRAININGS)
def test_a_changed_setting_is_another_map_that_a_running_set_does_not_read(overlay: str) -> None:
    maps = {m["metadata"]["name"]: m for m in build(overlay) if m["kind"] == "ConfigMap"}
    assert len(maps) == 2
    for name, found in maps.items():
        assert re.search(r"-[a-z0-9]{10}$", name), "a hash of the content"
        assert found["immutable"] is True
    (container,) = containers(overlay)
    (job,) = find(overlay, "JobSet")["spec"]["replicatedJobs"]
    volumes = job["template"]["spec"]["template"]["spec"]["volumes"]
    read = {source["configMapRef"]["name"] for source in container["envFrom"]}
    read |= {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
    assert read == maps.keys()


def test_every_run_has_a_name_of_its_own_and_is_cleaned_up() -> None:
    sets = [find(overlay, "JobSet") for overlay in TRAININGS]
    assert len({jobset["metadata"]["name"] for jobset in sets}) == len(sets)
    assert all(jobset["spec"]["ttlSecondsAfterFinished"] > 0 for jobset in sets)


@pytest.mark.parametrize("overlay", TRAININGS)
def test_gpus_are_asked_for_where_nodes_keep_them_for_those_that_do(overlay: str) -> None:
    (job,) = find(overlay, "JobSet")["spec"]["replicatedJobs"]
    pod: Manifest = job["template"]["spec"]["template"]["spec"]
    assert "nvidia.com/gpu" in pod["containers"][0]["resources"]["limits"]
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod[
        "tolerations"
    ]
    chosen = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    keys = {term["matchExpressions"][0]["key"] for term in chosen["nodeSelectorTerms"]}
    assert "nvidia.com/gpu.present" in keys


def test_a_queued_training_stands_in_a_queue_that_can_hold_it() -> None:
    jobset = find("training-kueue", "JobSet")
    name = jobset["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]
    queue = find("queues", "LocalQueue", name)
    (group,) = find("queues", "ClusterQueue", queue["spec"]["clusterQueue"])["spec"][
        "resourceGroups"
    ]
    (flavor,) = group["flavors"]
    assert flavor["name"] == find("queues", "ResourceFlavor")["metadata"]["name"]
    quota = {entry["name"]: quantity(entry["nominalQuota"]) for entry in flavor["resources"]}
    (job,) = jobset["spec"]["replicatedJobs"]
    (container,) = containers("training-kueue")
    needs = {**container["resources"]["limits"], **container["resources"]["requests"]}
    for resource, amount in needs.items():
        assert job["template"]["spec"]["parallelism"] * quantity(amount) <= quota[resource]


@pytest.fixture(scope="module")
def label_store(tmp_path_factory: pytest.TempPathFactory, make_head: Callable[..., Any]) -> str:
    """A store of one small head, from which the settings take their labels."""
    folder = tmp_path_factory.mktemp("heads")
    image = nib.Nifti1Image(make_head((20, 22, 21)).astype(np.int16), np.eye(4))
    nib.save(image, folder / "head.nii.gz")
    ingest(folder, folder / "heads.zarr", LABEL_TABLES["v2"])
    return str(folder / "heads.zarr")


@pytest.mark.parametrize("overlay", TRAININGS)
def test_machines_train_the_released_recipe_and_can_share_its_batch(
    overlay: str, label_store: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.yaml"
    (text,) = (m["data"]["train.yaml"] for m in build(overlay) if "train.yaml" in m.get("data", {}))
    path.write_text(text)
    settings = load_settings(path, store=label_store)
    (job,) = find(overlay, "JobSet")["spec"]["replicatedJobs"]
    (container,) = containers(overlay)

    class Strategy:
        num_replicas_in_sync = job["template"]["spec"]["parallelism"] * int(
            container["resources"]["limits"]["nvidia.com/gpu"]
        )

    assert samples_per_replica(Strategy(), settings.batch_size) == 1
    released = load_settings(Path("released"), store=label_store)
    assert settings == dataclasses.replace(released, batch_size=settings.batch_size)


def test_a_saved_run_restarts_uncounted_and_wrong_settings_end_it() -> None:
    jobset = find("training", "JobSet")["spec"]
    job = jobset["replicatedJobs"][0]["template"]["spec"]
    outcomes = {}
    for index, rule in enumerate(job["podFailurePolicy"]["rules"]):
        # The message that the Job controller writes, which the JobSet's patterns read.
        message = (
            f"Container trainer for pod a/b failed matching {rule['action']} rule at index {index}"
        )
        action = next(
            r["action"]
            for r in jobset["failurePolicy"]["rules"]
            if any(re.search(pattern, message) for pattern in r["onJobFailureMessagePatterns"])
        )
        outcomes[tuple(rule["onExitCodes"]["values"]) if "onExitCodes" in rule else "evicted"] = (
            action
        )
    assert outcomes == {
        (TERMINATED,): "RestartJobSetAndIgnoreMaxRestarts",
        "evicted": "RestartJobSetAndIgnoreMaxRestarts",
        (WRONG_USE,): "FailJobSet",
    }
    assert jobset["failurePolicy"]["maxRestarts"] > 0, "for crashes and outages"
