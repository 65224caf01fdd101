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
from manifests import containers, find
from synthseg_common.errors import TERMINATED, WRONG_USE
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.ingest import ingest
from synthseg_trainer.config import load_settings
from synthseg_trainer.training.distribution import samples_per_replica


@pytest.mark.parametrize(("overlay", "machines"), [("training", 1), ("training-two-machines", 2)])
def test_workers_find_each_other_by_stable_names(
    overlay: str, machines: int, tmp_path: Path
) -> None:
    jobset = find(overlay, "JobSet")
    (job,) = jobset["spec"]["replicatedJobs"]
    assert job["template"]["spec"]["parallelism"] == machines
    assert job["template"]["spec"]["completions"] == machines
    (container,) = containers(overlay)
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert variables["WORKERS"] == str(machines)
    trainer = tmp_path / "synthseg-trainer"
    trainer.write_text('#!/bin/sh\nprintf %s "${TF_CONFIG:-none}"\nexit 143\n')
    trainer.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "WORKERS": variables["WORKERS"],
        "JOBSET_NAME": jobset["metadata"]["name"],
        "JOB_COMPLETION_INDEX": "0",
    }
    done = subprocess.run(
        container["command"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 143, done.stderr
    if machines == 1:
        assert done.stdout == "none"
        return
    name, port = jobset["metadata"]["name"], container["ports"][0]["containerPort"]
    assert json.loads(done.stdout) == {
        "cluster": {
            "worker": [f"{name}-{job['name']}-0-{i}.{name}:{port}" for i in range(machines)]
        },
        "task": {"type": "worker", "index": 0},
    }


@pytest.fixture(scope="module")
def label_store(tmp_path_factory: pytest.TempPathFactory, make_head: Callable[..., Any]) -> str:
    """A store of one small head, from which the settings take their labels."""
    folder = tmp_path_factory.mktemp("heads")
    image = nib.Nifti1Image(make_head((20, 22, 21)).astype(np.int16), np.eye(4))
    nib.save(image, folder / "head.nii.gz")
    ingest(folder, folder / "heads.zarr", LABEL_TABLES["v2"])
    return str(folder / "heads.zarr")


@pytest.mark.parametrize("overlay", ["training", "training-two-machines"])
def test_machines_train_the_released_recipe_and_can_share_its_batch(
    overlay: str, label_store: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(find(overlay, "ConfigMap")["data"]["train.yaml"])
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
