"""Every overlay builds, its references hold, and its shell pieces do what they say."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from synthseg_common.errors import TERMINATED, WRONG_USE
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.ingest import ingest
from synthseg_trainer.config import load_settings
from synthseg_trainer.training.distribution import samples_per_replica

K8S = Path(__file__).resolve().parents[1] / "k8s"
OVERLAYS = sorted(path.parent.name for path in K8S.glob("overlays/*/kustomization.yaml"))
KEPT = {"namespace", "data", "models"}
RUNNING = sorted(set(OVERLAYS) - KEPT)
NODE_PATHS = {
    "Deployment": ("spec", "template"),
    "JobSet": ("spec", "replicatedJobs", 0, "template", "spec", "template"),
}
# Pinned by a version: at least one dot and a digit, so `latest` and branch names do not pass.
PINNED = re.compile(r"^[\w./-]+:v?\d+(\.\d+)+[\w.-]*$")
Manifest = dict[str, Any]


@functools.cache
def build(overlay: str) -> list[Manifest]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        ["kubectl", "kustomize", str(K8S / "overlays" / overlay)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower(), done.stderr
    return list(yaml.safe_load_all(done.stdout))


def find(overlay: str, kind: str, name: str | None = None) -> Manifest:
    (found,) = (
        m for m in build(overlay) if m["kind"] == kind and name in (None, m["metadata"]["name"])
    )
    return found


def pod_templates(overlay: str) -> Iterator[tuple[str, Manifest]]:
    for manifest in build(overlay):
        if manifest["kind"] in NODE_PATHS:
            node: Any = manifest
            for step in NODE_PATHS[manifest["kind"]]:
                node = node[step]
            yield manifest["metadata"]["name"], node


def containers(overlay: str) -> Iterator[Manifest]:
    for _, pod in pod_templates(overlay):
        yield from pod["spec"].get("initContainers", [])
        yield from pod["spec"]["containers"]


def flag(container: Manifest, name: str) -> str:
    arguments: list[str] = container["args"]
    (value,) = (a.split("=", 1)[1] for a in arguments if a.startswith(f"--{name}="))
    return value


def test_every_base_is_used_by_an_overlay() -> None:
    used = {
        resource.rsplit("/", 1)[-1]
        for overlay in OVERLAYS
        for resource in yaml.safe_load(
            (K8S / "overlays" / overlay / "kustomization.yaml").read_text()
        )["resources"]
    }
    assert {path.name for path in (K8S / "base").iterdir()} <= used


@pytest.mark.parametrize("overlay", RUNNING)
def test_everything_lies_in_one_namespace_that_enforces_restricted_pods(overlay: str) -> None:
    namespace = find("namespace", "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name in (overlay, *KEPT - {"namespace"}):
        spaces = {m["metadata"].get("namespace") for m in build(name)}
        assert spaces == {namespace["metadata"]["name"]}


@pytest.mark.parametrize("overlay", RUNNING)
def test_deleting_what_runs_leaves_namespace_and_volumes(overlay: str) -> None:
    assert not {"Namespace", "PersistentVolumeClaim"} & {m["kind"] for m in build(overlay)}
    kept = {m["kind"] for name in KEPT for m in build(name)}
    assert kept == {"Namespace", "PersistentVolumeClaim"}


@pytest.mark.parametrize("overlay", RUNNING)
def test_images_are_pinned_by_version(overlay: str) -> None:
    for container in containers(overlay):
        assert PINNED.match(container["image"]), container["image"]


@pytest.mark.parametrize("overlay", RUNNING)
def test_pods_run_without_root_and_without_rights(overlay: str) -> None:
    for name, pod in pod_templates(overlay):
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
    for container in containers(overlay):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("overlay", RUNNING)
def test_every_container_has_requests_and_limits(overlay: str) -> None:
    for container in containers(overlay):
        for bound in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][bound].keys(), container["name"]


@pytest.mark.parametrize("overlay", RUNNING)
def test_volumes_claims_and_config_maps_exist(overlay: str) -> None:
    known = {(m["kind"], m["metadata"]["name"]) for name in (overlay, *KEPT) for m in build(name)}
    for _, pod in pod_templates(overlay):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for container in pod["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in known
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert ("PersistentVolumeClaim", claim) in known


@pytest.mark.parametrize("overlay", RUNNING)
def test_selectors_meet_pods_and_ports_have_names_that_exist(overlay: str) -> None:
    pods = dict(pod_templates(overlay))
    labels = {name: pod["metadata"]["labels"] for name, pod in pods.items()}
    ports = {
        name: {
            port["name"] for container in pod["spec"]["containers"] for port in container["ports"]
        }
        for name, pod in pods.items()
    }
    for manifest in build(overlay):
        spec, kind = manifest.get("spec", {}), manifest["kind"]
        if kind == "Service":
            selector, wanted = spec["selector"], {port["targetPort"] for port in spec["ports"]}
        elif kind in ("Deployment", "PodDisruptionBudget"):
            selector, wanted = spec["selector"]["matchLabels"], set()
        elif kind == "NetworkPolicy":
            rules = [port["port"] for rule in spec["ingress"] for port in rule.get("ports", [])]
            selector, wanted = spec["podSelector"]["matchLabels"], set(rules)
        else:
            continue
        chosen = [name for name, own in labels.items() if selector.items() <= own.items()]
        assert chosen, f"{kind} {manifest['metadata']['name']} selects no pod"
        for name in chosen:
            assert wanted <= ports[name], f"{kind} {manifest['metadata']['name']}"


@pytest.mark.parametrize("overlay", ["serving", "serving-volume"])
def test_autoscaler_scales_the_deployment_which_sets_no_count_itself(overlay: str) -> None:
    target = find(overlay, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    deployment = find(overlay, target["kind"], target["name"])
    assert "replicas" not in deployment["spec"]


@pytest.mark.parametrize("overlay", ["serving", "serving-volume"])
def test_server_threads_are_the_container_s_cores(overlay: str) -> None:
    (container,) = containers(overlay)
    assert (
        flag(container, "tensorflow_intra_op_parallelism")
        == container["resources"]["limits"]["cpu"]
    )


@pytest.mark.parametrize("overlay", ["serving", "serving-volume"])
def test_server_ends_within_its_grace_period_after_the_longest_scan(overlay: str) -> None:
    ((_, pod),) = pod_templates(overlay)
    (container,) = pod["spec"]["containers"]
    command, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert int(seconds) < pod["spec"]["terminationGracePeriodSeconds"]
    assert pod["spec"]["shareProcessNamespace"] is True


def test_metrics_are_those_of_the_server_s_own_configuration() -> None:
    ours = (K8S / "base/serving/monitoring.config").read_text()
    theirs = (K8S.parent / "serving/synthseg_serving/tf_serving/monitoring.config").read_text()
    settings = [re.sub(r"#.*|\s", "", text) for text in (ours, theirs)]
    assert settings[0] == settings[1]
    path = re.search(r'path: "(.+)"', ours)
    assert path is not None
    ((_, pod),) = pod_templates("serving")
    assert pod["metadata"]["annotations"]["prometheus.io/path"] == path[1]


@pytest.mark.parametrize("state", ["AVAILABLE", "LOADING", "END"])
def test_server_is_ready_only_when_its_model_is_available(state: str) -> None:
    body = json.dumps({"model_version_status": [{"version": "1", "state": state}]}, indent=1)

    class Status(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/v1/models/synthseg"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(body.encode() if found else b"{}")

        def log_message(self, *_: object) -> None:
            pass

    (container,) = containers("serving")
    probe = container["readinessProbe"]["exec"]["command"]
    with http.server.HTTPServer(("127.0.0.1", 0), Status) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [part.replace("/8501", f"/{server.server_port}") for part in probe]
        done = subprocess.run(command, timeout=300, check=False)
        server.shutdown()
    assert (done.returncode == 0) == (state == "AVAILABLE")
    assert container["startupProbe"]["exec"]["command"] == probe


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


def test_dask_parts_run_one_image_and_workers_stay_below_their_memory_limit() -> None:
    scheduler, worker = containers("dask")
    assert scheduler["image"] == worker["image"]
    assert f"tcp://{find('dask', 'Service')['metadata']['name']}:8786" in worker["command"]
    (limit,) = (a.split("=")[1] for a in worker["command"] if a.startswith("--memory-limit="))
    assert int(limit.removesuffix("MiB")) < 1024 * int(
        worker["resources"]["limits"]["memory"].removesuffix("Gi")
    )
