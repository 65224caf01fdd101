"""The overlays on a real cluster: accepted, equal to what is written, rolled out and back.

`KUBECONFIG=... pytest -m cluster tests/k8s` runs it, on a cluster without a namespace `synthseg`,
which it makes and deletes. Overlays of add-ons that the cluster lacks are skipped, and without a
node what needs running pods.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster import (
    NAMESPACE,
    get,
    known_kinds,
    kubectl,
    place,
    ready_nodes,
    small,
    wait_until,
)
from manifests import K8S, LASTING, OVERLAYS, build, pod_templates, with_pods

pytestmark = pytest.mark.cluster
FIRST = ["namespace", *(o for o in OVERLAYS if LASTING & {m["kind"] for m in build(o)})]
ORDER = list(dict.fromkeys([*FIRST, *OVERLAYS]))


@pytest.fixture(scope="module", autouse=True)
def namespace(request: pytest.FixtureRequest) -> Iterator[None]:
    """The namespace overlay, gone afterwards with all that is in it."""
    if "cluster" not in str(request.config.getoption("-m")):
        pytest.skip("changes a cluster: ask for it by -m cluster")
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    if kubectl("get", "namespace", NAMESPACE, check=False).returncode == 0:
        pytest.fail(f"The cluster has a namespace {NAMESPACE} already: name a cluster without.")
    kubectl("apply", "-k", place("namespace"))
    yield
    kubectl("delete", "namespace", NAMESPACE, "--timeout=300s")
    kubectl("delete", "-k", place("namespace"), "--ignore-not-found")


APPLIED: list[str] = []


def apply(overlay: str) -> str:
    """Applies an overlay; the test is skipped where the cluster lacks its add-on."""
    missing = {m["kind"] for m in build(overlay)} - known_kinds()
    if missing:
        pytest.skip(f"the cluster has no {', '.join(sorted(missing))}")
    APPLIED.append(overlay)
    return kubectl("apply", "-k", place(overlay)).stdout


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """What a test applied goes after it: overlays stand for one another, Jobs cannot change."""
    yield
    while APPLIED:
        overlay = APPLIED.pop()
        if overlay not in FIRST:
            kubectl("delete", "-k", place(overlay), "--ignore-not-found", "--timeout=300s")


@pytest.mark.parametrize("overlay", ORDER)
def test_every_overlay_is_accepted_without_a_warning_and_leaves_no_difference(
    overlay: str,
) -> None:
    apply(overlay)
    again = kubectl("apply", "-k", place(overlay))
    assert "warning" not in again.stderr.lower(), again.stderr
    difference = kubectl("diff", "-k", place(overlay), check=False)
    assert difference.returncode == 0, difference.stdout


@pytest.mark.parametrize("overlay", with_pods())
def test_every_pod_of_an_overlay_is_admitted(overlay: str) -> None:
    apply(overlay)
    for name, _ in pod_templates(overlay):
        wait_until(f"pods of {name}", functools.partial(has_pods, name), seconds=60)


def has_pods(name: str) -> bool:
    """Whether pods of a Deployment, Job or JobSet are there, or its Job waits in a queue."""
    if any(pod["metadata"]["name"].startswith(f"{name}-") for pod in get("pods")["items"]):
        return True
    jobs = get("jobs")["items"]
    return any(j["metadata"]["name"].startswith(name) and j["spec"].get("suspend") for j in jobs)


def test_settings_changed_under_a_running_training_do_not_reach_it(tmp_path: Path) -> None:
    apply("training")
    before = get("jobset", "synthseg-training-first")
    shutil.copytree(K8S, tmp_path / "k8s")
    settings = tmp_path / "k8s/base/training/train.yaml"
    settings.write_text(settings.read_text().replace("seed: 1", "seed: 2"))
    changed = str(tmp_path / "k8s/overlays/training")
    refused = kubectl("apply", "-k", changed, check=False)
    assert refused.returncode != 0
    assert "immutable" in refused.stderr
    after = get("jobset", "synthseg-training-first")
    assert after["spec"] == before["spec"]
    (job,) = after["spec"]["replicatedJobs"]
    volumes = job["template"]["spec"]["template"]["spec"]["volumes"]
    (name,) = (v["configMap"]["name"] for v in volumes if "configMap" in v)
    text = get("configmap", name)["data"]["train.yaml"]
    assert yaml.safe_load(text)["seed"] == 1
    # Under a name of its own the next run starts beside it.
    kustomization = tmp_path / "k8s/overlays/training/kustomization.yaml"
    kustomization.write_text(
        kustomization.read_text().replace("nameSuffix: -first", "nameSuffix: -second")
    )
    kubectl("apply", "-k", changed)
    names = {jobset["metadata"]["name"] for jobset in get("jobsets")["items"]}
    assert {"synthseg-training-first", "synthseg-training-second"} <= names


POD = """
apiVersion: v1
kind: Pod
metadata: {{name: trial}}
spec:
  automountServiceAccountToken: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    seccompProfile: {{type: RuntimeDefault}}
  containers:
    - name: trial
      image: example.invalid/none:1.0
      resources: {{limits: {{memory: {memory}}}}}
      securityContext: {{allowPrivilegeEscalation: {privilege}, capabilities: {{drop: [ALL]}}}}
"""


@pytest.mark.parametrize(
    ("memory", "privilege", "word"),
    [("1Gi", "false", ""), ("512Gi", "false", "LimitRange"), ("1Gi", "true", "PodSecurity")],
)
def test_pods_outside_the_bounds_are_refused(memory: str, privilege: str, word: str) -> None:
    text = POD.format(memory=memory, privilege=privilege)
    done = kubectl("apply", "-n", NAMESPACE, "--dry-run=server", "-f", "-", text=text, check=False)
    assert (done.returncode == 0) == (not word), done.stderr
    assert word in done.stderr or (word == "LimitRange" and "maximum memory" in done.stderr)


def test_a_service_to_the_outside_is_refused() -> None:
    kubectl("apply", "-k", place("serving"))
    done = kubectl(
        "expose", "deployment/synthseg-serving", "-n", NAMESPACE, "--name=outside",
        "--type=NodePort", "--port=8500", check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "exceeded quota" in done.stderr


def test_servers_are_rolled_out_and_back(tmp_path: Path) -> None:
    if not ready_nodes():
        pytest.skip("no node runs pods")
    kubectl("apply", "-k", small("serving", tmp_path))
    rollout = (
        "rollout",
        "status",
        "-n",
        NAMESPACE,
        "deployment/synthseg-serving",
        "--timeout=500s",
    )
    kubectl(*rollout)
    before = get("deployment", "synthseg-serving")["spec"]["template"]
    changed = ("-n", NAMESPACE, "deployment/synthseg-serving")
    kubectl("set", "env", *changed, "TF_CPP_MIN_LOG_LEVEL=2")
    kubectl(*rollout)
    status = get("deployment", "synthseg-serving")["status"]
    assert status["availableReplicas"] == status["replicas"] == status["updatedReplicas"]
    kubectl("rollout", "undo", *changed)
    kubectl(*rollout)
    assert get("deployment", "synthseg-serving")["spec"]["template"] == before


def test_dask_comes_up_and_its_workers_find_the_scheduler(tmp_path: Path) -> None:
    if not ready_nodes():
        pytest.skip("no node runs pods")
    kubectl("apply", "-k", small("dask", tmp_path))
    for name in ("dask-scheduler", "dask-workers"):
        kubectl("rollout", "status", "-n", NAMESPACE, f"deployment/{name}", "--timeout=500s")
