"""The namespace's bounds: all overlays fit together, and no container is above its limit."""

from __future__ import annotations

from collections import Counter

import pytest
from manifests import Manifest, build, containers, find, pod_templates, quantity, with_pods

# Overlays of which one stands in for the other.
INSTEAD = {"serving-volume": "serving", "training": "training-two-machines"}


def pods_of(overlay: str, name: str) -> int:
    """How many pods a manifest makes at most, one more during a roll-out."""
    for manifest in build(overlay):
        if manifest["metadata"]["name"] == name and manifest["kind"] == "JobSet":
            (job,) = manifest["spec"]["replicatedJobs"]
            return int(job["template"]["spec"]["parallelism"])
        if manifest["kind"] == "HorizontalPodAutoscaler":
            if manifest["spec"]["scaleTargetRef"]["name"] == name:
                return int(manifest["spec"]["maxReplicas"]) + 1
        elif manifest["metadata"]["name"] == name and manifest["kind"] in ("Deployment", "Job"):
            spec = manifest["spec"]
            return int(spec.get("replicas", spec.get("parallelism", 1))) + 1
    raise AssertionError(f"{overlay} has no {name}")


def needs(pod: Manifest) -> Counter[str]:
    """What one pod asks for, under the names of a quota."""
    asked: Counter[str] = Counter(pods=1)
    for container in pod["spec"]["containers"]:
        for bound in ("requests", "limits"):
            for resource, amount in container["resources"][bound].items():
                if resource in ("cpu", "memory"):
                    asked[f"{bound}.{resource}"] += quantity(amount)  # type: ignore[assignment]
    return asked


def test_one_of_each_overlay_at_its_largest_fits_into_the_quota() -> None:
    total: Counter[str] = Counter()
    for overlay in set(with_pods()) - INSTEAD.keys():
        for name, pod in pod_templates(overlay):
            for resource, amount in needs(pod).items():
                total[resource] += pods_of(overlay, name) * amount
    hard = find("namespace", "ResourceQuota")["spec"]["hard"]
    for resource, amount in total.items():
        assert amount <= quantity(hard[resource]), resource


@pytest.mark.parametrize("overlay", with_pods())
def test_no_container_is_above_the_namespace_s_limit(overlay: str) -> None:
    (limit,) = find("namespace", "LimitRange")["spec"]["limits"]
    for container in containers(overlay):
        for resource, most in limit["max"].items():
            assert quantity(container["resources"]["limits"][resource]) <= quantity(most)
