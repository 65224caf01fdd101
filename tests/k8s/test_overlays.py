"""What every overlay is held to: one namespace, whole references, pods without rights.

New overlays are found by themselves.
"""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from manifests import (
    K8S,
    LASTING,
    OVERLAYS,
    Manifest,
    build,
    containers,
    find,
    pod_templates,
    with_pods,
)

# By a version, with or without a digest: at least one dot and a digit, so `latest` and the names
# of branches do not pass.
PINNED = re.compile(r"^[\w./-]+:v?\d+(\.\d+)+[\w.-]*(@sha256:[0-9a-f]{64})?$")
CLUSTER_WIDE = {"Namespace", "PriorityClass", "ClusterQueue", "ResourceFlavor", "ClusterRole"}
VERSION = tomllib.loads((K8S.parent / "pyproject.toml").read_text())["project"]["version"]
RUNNING = with_pods()


def test_every_base_is_used_by_an_overlay() -> None:
    used = {
        (folder.parent / resource).resolve()
        for folder in K8S.rglob("kustomization.yaml")
        for resources in [yaml.safe_load(folder.read_text())]
        for resource in (*resources.get("resources", ()), *resources.get("components", ()))
    }
    bases = {path.parent for path in K8S.rglob("base/**/kustomization.yaml")}
    assert bases <= used


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_lies_in_one_namespace_that_enforces_restricted_pods(overlay: str) -> None:
    namespace = find("namespace", "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for manifest in build(overlay):
        wanted = None if manifest["kind"] in CLUSTER_WIDE else namespace["metadata"]["name"]
        assert manifest["metadata"].get("namespace") == wanted, manifest["metadata"]["name"]


@pytest.mark.parametrize("overlay", RUNNING)
def test_deleting_what_runs_leaves_namespace_and_volumes(overlay: str) -> None:
    assert not LASTING & {m["kind"] for m in build(overlay)}


@pytest.mark.parametrize("overlay", RUNNING)
def test_images_are_pinned_by_version(overlay: str) -> None:
    for container in containers(overlay):
        assert PINNED.match(container["image"]), container["image"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_labels_are_those_that_kubernetes_recommends(overlay: str) -> None:
    same = {
        "app.kubernetes.io/part-of": "synthseg",
        "app.kubernetes.io/managed-by": "kustomize",
        "app.kubernetes.io/version": VERSION,
    }
    for manifest in build(overlay):
        labels = manifest["metadata"].get("labels", {})
        assert same.items() <= labels.items(), manifest["metadata"]["name"]
    for name, pod in pod_templates(overlay):
        labels = pod["metadata"]["labels"]
        assert same.items() <= labels.items(), name
        assert {"app.kubernetes.io/name", "app.kubernetes.io/component"} <= labels.keys(), name


@pytest.mark.parametrize("overlay", RUNNING)
def test_our_images_have_the_project_s_version(overlay: str) -> None:
    for container in containers(overlay):
        name, _, tag = container["image"].rpartition("/")[2].partition("@")[0].partition(":")
        assert not name.startswith("synthseg-") or tag.startswith(VERSION), container["image"]


@pytest.mark.parametrize("overlay", RUNNING)
def test_pods_have_an_account_and_a_priority_that_exist(overlay: str) -> None:
    there = [m for name in ("namespace", overlay) for m in build(name)]
    accounts = [m for m in there if m["kind"] == "ServiceAccount"]
    assert all(m["automountServiceAccountToken"] is False for m in accounts)
    priorities = {m["metadata"]["name"] for m in there if m["kind"] == "PriorityClass"}
    for name, pod in pod_templates(overlay):
        account = pod["spec"]["serviceAccountName"]
        assert account in {m["metadata"]["name"] for m in accounts}, name
        assert pod["spec"]["priorityClassName"] in priorities, name


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


def claims() -> set[str]:
    return {
        m["metadata"]["name"]
        for overlay in OVERLAYS
        for m in build(overlay)
        if m["kind"] == "PersistentVolumeClaim"
    }


def secrets(overlay: str) -> set[str]:
    """Made by the overlay, by cert-manager for it, or by hand as a README says."""
    made = {m["metadata"]["name"] for m in build(overlay) if m["kind"] == "Secret"}
    made |= {m["spec"]["secretName"] for m in build(overlay) if m["kind"] == "Certificate"}
    pages = (*K8S.rglob("*.md"), *(K8S.parent / "docs").rglob("*.md"))
    told = "\n".join(page.read_text() for page in pages).replace("\\\n", " ")
    return made | set(re.findall(r"secret (?:generic|tls) (\S+)", told))


@pytest.mark.parametrize("overlay", RUNNING)
def test_volumes_claims_and_config_maps_exist(overlay: str) -> None:
    maps = {m["metadata"]["name"] for m in build(overlay) if m["kind"] == "ConfigMap"}
    for name, pod in pod_templates(overlay):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        mounts = {
            mount["name"]
            for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"])
            for mount in container.get("volumeMounts", [])
        }
        assert mounts == volumes.keys(), name
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims()
            if "secret" in volume:
                assert volume["secret"]["secretName"] in secrets(overlay)


def ports_of(pod: Manifest) -> set[str]:
    return {port["name"] for c in pod["spec"]["containers"] for port in c.get("ports", [])}


def selector_and_ports(manifest: Manifest) -> tuple[dict[str, str], set[str | int]] | None:
    """Which pods a manifest means, and which of their ports; None where it means none."""
    spec, kind = manifest.get("spec", {}), manifest["kind"]
    if kind == "Service":
        return spec["selector"], {port["targetPort"] for port in spec["ports"]}
    if kind in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        return spec["selector"]["matchLabels"], set()
    # A policy of what goes out alone is about callers, who may be of another overlay.
    if kind == "NetworkPolicy" and "Ingress" in spec["policyTypes"]:
        rules = [port["port"] for rule in spec.get("ingress", []) for port in rule.get("ports", [])]
        return spec["podSelector"].get("matchLabels", {}), set(rules)
    return None


@pytest.mark.parametrize("overlay", RUNNING)
def test_headless_services_name_the_port_that_pods_have(overlay: str) -> None:
    """Their names resolve to pods, and nothing translates the port that a client dials."""
    own = [c.get("ports", []) for c in containers(overlay)]
    numbers = {port["name"]: port["containerPort"] for ports in own for port in ports}
    for manifest in build(overlay):
        if manifest["kind"] == "Service" and manifest["spec"].get("clusterIP") == "None":
            for port in manifest["spec"]["ports"]:
                assert port["port"] == numbers[port["targetPort"]], manifest["metadata"]["name"]


@pytest.mark.parametrize("overlay", RUNNING)
def test_selectors_meet_pods_and_ports_have_names_that_exist(overlay: str) -> None:
    pods = dict(pod_templates(overlay))
    for manifest in build(overlay):
        meant = selector_and_ports(manifest)
        if meant is None:
            continue
        selector, wanted = meant
        chosen = [n for n, p in pods.items() if selector.items() <= p["metadata"]["labels"].items()]
        assert chosen, f"{manifest['kind']} {manifest['metadata']['name']} selects no pod"
        for name in chosen:
            assert wanted <= ports_of(pods[name]), f"{manifest['kind']} {name}"


@pytest.mark.parametrize("overlay", RUNNING)
def test_autoscalers_scale_deployments_which_set_no_count_themselves(overlay: str) -> None:
    for manifest in build(overlay):
        if manifest["kind"] == "HorizontalPodAutoscaler":
            target = manifest["spec"]["scaleTargetRef"]
            assert "replicas" not in find(overlay, target["kind"], target["name"])["spec"]


def test_the_readme_names_every_overlay_and_no_other() -> None:
    table = (K8S / "README.md").read_text().split("\n## ")[0]
    first_cells = re.findall(r"^\| (`[^|]+)\|", table, re.MULTILINE)
    assert sorted(re.findall(r"`([\w-]+)`", " ".join(first_cells))) == OVERLAYS
