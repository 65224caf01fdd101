"""The overlays of `k8s/` as kubectl builds them, and ways to the parts that tests ask about."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).resolve().parents[2] / "k8s"
OVERLAYS = sorted(path.parent.name for path in K8S.glob("overlays/*/kustomization.yaml"))
# The one that the dev extra installs, whatever else is on PATH.
KUBECTL = str(Path(sys.executable).with_name("kubectl"))
# What deleting loses for good, or takes everything else with it.
LASTING = {"Namespace", "PersistentVolumeClaim"}
_POD_PATHS: dict[str, tuple[str | int, ...]] = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "JobSet": ("spec", "replicatedJobs", 0, "template", "spec", "template"),
    "Pod": (),
    "StatefulSet": ("spec", "template"),
}
Manifest = dict[str, Any]


@functools.cache
def build(overlay: str) -> list[Manifest]:
    """All manifests of an overlay; kustomize may warn of nothing."""
    return build_folder(K8S / "overlays" / overlay)


def build_folder(folder: Path) -> list[Manifest]:
    """All manifests of a folder with a kustomization."""
    done = subprocess.run(
        [KUBECTL, "kustomize", str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower(), done.stderr
    return list(yaml.safe_load_all(done.stdout))


def find(overlay: str, kind: str, name: str | None = None) -> Manifest:
    """The one manifest of a kind, or of a kind and a name."""
    (found,) = (
        m for m in build(overlay) if m["kind"] == kind and name in (None, m["metadata"]["name"])
    )
    return found


def pod_templates_of(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Names of what makes pods, with the pods' labels and spec."""
    for manifest in manifests:
        if manifest["kind"] in _POD_PATHS:
            node: Any = manifest
            for step in _POD_PATHS[manifest["kind"]]:
                node = node[step]
            yield manifest["metadata"]["name"], node


def pod_templates(overlay: str) -> Iterator[tuple[str, Manifest]]:
    """As `pod_templates_of`, of an overlay."""
    return pod_templates_of(build(overlay))


def containers(overlay: str) -> Iterator[Manifest]:
    """All containers of an overlay, those that run first too."""
    for _, pod in pod_templates(overlay):
        yield from pod["spec"].get("initContainers", [])
        yield from pod["spec"]["containers"]


def flag(container: Manifest, name: str) -> str:
    """The value of `--name=value` among a container's arguments."""
    arguments: list[str] = container["args"]
    (value,) = (a.split("=", 1)[1] for a in arguments if a.startswith(f"--{name}="))
    return value


def quantity(text: str | int) -> float:
    """A number of Kubernetes, such as 500m or 12Gi, in units."""
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    number, unit = re.fullmatch(r"([0-9.]+)(\D*)", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * units.get(unit, 1)


def with_pods() -> list[str]:
    """Overlays that run something."""
    return [overlay for overlay in OVERLAYS if any(pod_templates(overlay))]


def with_kind(kind: str) -> list[str]:
    """Overlays that hold a kind of thing."""
    return [overlay for overlay in OVERLAYS if any(m["kind"] == kind for m in build(overlay))]
