"""The manifests of k8s/base/monitoring, and a real Prometheus that reads them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

MONITORING = Path(__file__).resolve().parents[2] / "k8s/base/monitoring"
VARIABLES = {"$namespace": ".*", "$job": ".*", "$__rate_interval": "10s"}
"""What Grafana fills in: all of everything."""
_START_S = 120.0


def rules() -> dict[str, Any]:
    """The groups of rules, as Prometheus reads them from a file."""
    spec: dict[str, Any] = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]
    return spec


def expressions() -> dict[str, str]:
    """Every expression of the rules, by what it makes."""
    return {
        rule.get("record") or rule["alert"]: rule["expr"]
        for group in rules()["groups"]
        for rule in group["rules"]
    }


def panels() -> dict[str, list[str]]:
    """The queries of every panel of the dashboard, variables filled in, by row and title."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    row = ""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
            continue
        queries = [target["expr"] for target in panel["targets"]]
        for name, value in VARIABLES.items():
            queries = [query.replace(name, value) for query in queries]
        found[f"{row}: {panel['title']}"] = queries
    return found


def metrics_of(expression: str) -> set[str]:
    """Names of the metrics that an expression reads."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\b(?:by|on|ignoring|without)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    names = re.findall(r"(?<![\w:])[A-Za-z_:][\w:]*(?![\w:]*\s*\()", bare)
    return set(names) - {"and", "or", "unless", "bool"}


def needed(program: str) -> str:
    """A program of Prometheus; the test is skipped without it."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: apt-get install prometheus")
    return found


@contextmanager
def prometheus(targets: Mapping[str, Sequence[str]], folder: Path) -> Iterator[str]:
    """Prometheus with our rules, looking each second; gives its address.

    Args:
        targets: `host:port/path` by job.
        folder: For its files.
    """
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules()))
    jobs: list[dict[str, Any]] = []
    for job, addresses in targets.items():
        for address in addresses:
            host, _, path = address.partition("/")
            jobs.append(
                {
                    "job_name": f"{job}-{len(jobs)}",
                    "metrics_path": f"/{path}",
                    "static_configs": [{"targets": [host], "labels": {"namespace": "synthseg"}}],
                }
            )
    often = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config = {"global": often, "rule_files": ["rules.yaml"], "scrape_configs": jobs}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [needed("prometheus"), f"--config.file={folder}/prometheus.yaml"]
    words += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("w") as log:
        child = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        _await_ready(f"http://127.0.0.1:{port}/-/ready", child)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(_START_S)


def ask(address: str, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers to a query now."""
    words = urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(f"{address}/api/v1/query?{words}", timeout=60) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return result


def _await_ready(url: str, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"Prometheus ended or did not start: {child.poll()}")
