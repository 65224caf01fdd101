"""Nothing talks to anything but by a policy that names both ends."""

from __future__ import annotations

from typing import Any

import pytest
from manifests import OVERLAYS, Manifest, build, find, pod_templates, with_pods


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector means pods with these labels."""
    for rule in selector.get("matchExpressions", []):
        inside = labels.get(rule["key"]) in rule.get("values", [])
        assert rule["operator"] in ("In", "NotIn")
        if inside != (rule["operator"] == "In"):
            return False
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def policies(overlay: str) -> list[Manifest]:
    """Those of the namespace and of the overlay."""
    names = dict.fromkeys(("namespace", overlay))
    return [m for name in names for m in build(name) if m["kind"] == "NetworkPolicy"]


def may_call(policy: Manifest, direction: str, own: dict[str, str], other: dict[str, str]) -> bool:
    """Whether a policy of pods `own` lets them call (`egress`), or be called by, pods `other`."""
    rules: list[dict[str, Any]] = policy["spec"].get(direction, [])
    peers = [peer for rule in rules for peer in rule["to" if direction == "egress" else "from"]]
    return selects(policy["spec"]["podSelector"], own) and any(
        "podSelector" in peer
        and "namespaceSelector" not in peer
        and selects(peer["podSelector"], other)
        for peer in peers
    )


def reaches(caller: dict[str, str], called: dict[str, str], overlays: list[str]) -> bool:
    there = [policy for overlay in overlays for policy in policies(overlay)]
    return any(may_call(p, "egress", caller, called) for p in there) and any(
        may_call(p, "ingress", called, caller) for p in there
    )


def part(component: str, name: str = "", **labels: str) -> dict[str, str]:
    own = {"app.kubernetes.io/component": component, "app.kubernetes.io/name": name}
    return own | {key.replace("_", "-"): value for key, value in labels.items()}


SERVER = part("serving", "synthseg-serving")
TRAINER, DASK = part("training"), part("generator", "dask-scheduler")
CLIENT = part("client", synthseg_client="true")


def test_by_default_nothing_may_come_in_or_go_out() -> None:
    policy = find("namespace", "NetworkPolicy", "default-deny")["spec"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_policy_holds_an_empty_list_which_the_api_server_drops(overlay: str) -> None:
    for policy in build(overlay):
        if policy["kind"] == "NetworkPolicy":
            assert policy["spec"].get("egress") != []
            assert policy["spec"].get("ingress") != []


@pytest.mark.parametrize(
    ("caller", "called", "allowed"),
    [
        (CLIENT, SERVER, True),
        (part("client"), SERVER, False),
        (TRAINER, TRAINER, True),
        (TRAINER, DASK, True),
        (DASK, DASK, True),
        (DASK, TRAINER, False),
        (DASK, SERVER, False),
        (TRAINER, SERVER, False),
        (SERVER, SERVER, False),
        (SERVER, TRAINER, False),
        (CLIENT, DASK, False),
    ],
)
def test_who_may_call_whom(caller: dict[str, str], called: dict[str, str], allowed: bool) -> None:
    assert reaches(caller, called, ["serving", "dask"]) is allowed


@pytest.mark.parametrize("overlay", with_pods())
def test_every_pod_but_a_server_may_ask_for_names(overlay: str) -> None:
    dns = find("namespace", "NetworkPolicy", "dns")["spec"]["podSelector"]
    for name, pod in pod_templates(overlay):
        labels = pod["metadata"]["labels"]
        assert selects(dns, labels) == (labels["app.kubernetes.io/component"] != "serving"), name
