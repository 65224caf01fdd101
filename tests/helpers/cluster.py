"""kubectl against the cluster that KUBECONFIG names; overlays as they stand, or made small."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from manifests import K8S, KUBECTL, Manifest

NAMESPACE = "synthseg"
# A server as small as the smallest public runner can hold three of.
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "4Gi"}}


def kubectl(
    *arguments: str, text: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs kubectl, at most ten minutes; `text` goes to its input."""
    done = subprocess.run(
        [KUBECTL, *arguments], input=text, capture_output=True, text=True, timeout=600, check=False
    )
    assert not check or done.returncode == 0, f"{arguments}: {done.stderr}{done.stdout}"
    return done


def get(*arguments: str) -> Any:
    """What `kubectl get` finds in the namespace, as Python objects."""
    return json.loads(kubectl("get", "-n", NAMESPACE, *arguments, "-o", "json").stdout)


def place(overlay: str) -> str:
    """Where an overlay lies."""
    return str(K8S / "overlays" / overlay)


def known_kinds() -> set[str]:
    """Kinds that the cluster knows, those of its add-ons too."""
    lines = kubectl("api-resources", "--no-headers").stdout.splitlines()
    return {line.split()[-1] for line in lines}


def ready_nodes() -> list[str]:
    """Nodes that run pods now."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json").stdout)["items"]
    return [
        node["metadata"]["name"]
        for node in nodes
        if {"Ready": "True"}.items()
        <= {c["type"]: c["status"] for c in node["status"].get("conditions", [])}.items()
    ]


def small(overlay: str, folder: Path) -> str:
    """An overlay whose containers ask for little, for clusters of one small machine."""
    patch = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/resources", "value": SMALL}
    ]
    kustomization: Manifest = {
        "resources": [os.path.relpath(place(overlay), folder.resolve())],
        "patches": [{"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(patch)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return str(folder)


def wait_until(what: str, true: Callable[[], bool], seconds: float = 300) -> None:
    """Asks every second; fails with `what` when it took too long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"after {seconds} s still not: {what}"
        time.sleep(1)
