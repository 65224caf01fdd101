"""Alerts fire when they should, and rules and dashboard read metrics that are there."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from monitoring import expressions, metrics_of, needed, panels, rules
from prometheus_client import generate_latest
from synthseg_client.telemetry.metrics import ClientMetrics
from synthseg_serving.watching.metrics import ServerMetrics

REPOSITORY = Path(__file__).resolve().parents[1]
# As TensorFlow Serving registers them, in servables/tensorflow/util.cc; `/` becomes `:` in
# util/prometheus_exporter.cc. test_dashboard.py looks at a real one.
TF_SERVING = {
    ":tensorflow:serving:request_count",
    ":tensorflow:serving:request_latency_bucket",
    ":tensorflow:serving:request_latency_count",
    ":tensorflow:serving:runtime_latency_count",
    ":tensorflow:serving:runtime_latency_sum",
}
# Of Prometheus itself, of the kubelet, and of kube-state-metrics.
OTHERS = {
    "up",
    "container_memory_working_set_bytes",
    "kube_pod_container_resource_limits",
    "kube_deployment_status_replicas_available",
}
POD = 'namespace="n",pod="p",container="tensorflow-serving"'
OURS = 'namespace="n",job="synthseg-embedded",instance="i"'
RUN = 'namespace="n",instance="i",run="r"'
TF = 'namespace="n",job="synthseg-serving",instance="i",model_name="synthseg"'
# What is seen each minute, and which alert is to fire at which minute; none before.
FAULTS: dict[str, tuple[dict[str, str], int]] = {
    "SynthsegNoModelAvailable": (
        {f'synthseg_model_available{{{OURS},model="synthseg",version="1"}}': "1x5 0x30"},
        9,
    ),
    "SynthsegServerAway": ({f"up{{{OURS}}}": "1x5 0x30"}, 12),
    "SynthsegErrors": (
        {
            f':tensorflow:serving:request_count{{{TF},status="INTERNAL"}}': "0x10 1+1x30",
            f':tensorflow:serving:request_latency_count{{{TF},API="Predict"}}': "0+5x40",
        },
        20,
    ),
    "SynthsegSlow": (
        {
            f'synthseg_request_seconds_bucket{{{OURS},signature="s",le="120"}}': "0+1x15 15x40",
            f'synthseg_request_seconds_bucket{{{OURS},signature="s",le="300"}}': "0+1x55",
            f'synthseg_request_seconds_bucket{{{OURS},signature="s",le="+Inf"}}': "0+1x55",
        },
        40,
    ),
    "SynthsegBusy": (
        {
            f'synthseg_refusals_total{{{OURS},reason="queue-full"}}': "0x10 3+3x40",
            f'synthseg_requests_total{{{OURS},signature="s",code="OK"}}': "0+1x50",
        },
        30,
    ),
    "SynthsegMemoryNearLimit": (
        {
            f"container_memory_working_set_bytes{{{POD}}}": "6x10 11.5x30",
            f'kube_pod_container_resource_limits{{{POD},resource="memory"}}': "12x40",
        },
        20,
    ),
    "SynthsegNothingServed": (
        {
            f"synthseg_client_answers_awaited{{{RUN}}}": "0x5 2x40",
            f"synthseg_client_written_timestamp_seconds{{{RUN}}}": "0+60x45",
            f':tensorflow:serving:request_latency_count{{{TF},API="Predict"}}': "0+1x5 5x40",
        },
        30,
    ),
    "SynthsegScansFail": (
        {
            'synthseg_client_scans_total{run="r",status="failed"}': "0x10 1+1x30",
            'synthseg_client_scans_total{run="r",status="done"}': "0+1x40",
        },
        25,
    ),
}
# Quiet: a caller's own mistakes, a full queue now and then, a batch that comes to its end.
HEALTHY = {
    f':tensorflow:serving:request_count{{{TF},status="INVALID_ARGUMENT"}}': "0+9x60",
    f':tensorflow:serving:request_latency_count{{{TF},API="Predict"}}': "0+5x60",
    f'synthseg_refusals_total{{{OURS},reason="queue-full"}}': "0+1x60",
    f'synthseg_requests_total{{{OURS},signature="s",code="OK"}}': "0+4x60",
    f'synthseg_requests_in_flight{{{OURS},stage="predict"}}': "1x60",
    f'synthseg_model_available{{{OURS},model="m",version="1"}}': "0x60",
    f'synthseg_model_available{{{OURS},model="m",version="2"}}': "1x60",
    f"up{{{OURS}}}": "1x60",
    'synthseg_client_answers_awaited{namespace="n",instance="i",run="killed"}': "2x60",
    'synthseg_client_written_timestamp_seconds{namespace="n",instance="i",run="killed"}': "60x60",
}


def promtool(folder: Path, *tests: dict[str, Any]) -> None:
    """Has promtool test the rules."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules()))
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": list(tests)}
    (folder / "test.yaml").write_text(yaml.safe_dump(whole))
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", "test.yaml"]):
        done = subprocess.run(
            [needed("promtool"), *words], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def series(given: dict[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in given.items()]


def fires(alert: str, minute: int) -> dict[str, Any]:
    """A query that answers 1 while the alert fires."""
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0 or vector(0)'
    return {"expr": expression, "eval_time": f"{minute}m"}


def test_each_alert_fires_by_its_fault_and_not_before(tmp_path: Path) -> None:
    tests = []
    for alert, (given, minute) in FAULTS.items():
        calm = {**fires(alert, 4), "exp_samples": [{"value": 0, "labels": "{}"}]}
        loud = {**fires(alert, minute), "exp_samples": [{"value": 1, "labels": "{}"}]}
        tests.append(
            {"interval": "1m", "input_series": series(given), "promql_expr_test": [calm, loud]}
        )
    promtool(tmp_path, *tests)
    assert set(FAULTS) == {rule["alert"] for rule in rules()["groups"][1]["rules"]}


def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    quiet = {**fires(".*", 50), "exp_samples": [{"value": 0, "labels": "{}"}]}
    quiet["expr"] = quiet["expr"].replace('alertname=".*"', 'alertname=~".*"')
    promtool(
        tmp_path,
        {"interval": "1m", "input_series": series(HEALTHY), "promql_expr_test": [quiet]},
    )


def test_rules_and_dashboard_read_metrics_that_somebody_tells() -> None:
    pages = [ServerMetrics(dict, 0).registry, ClientMetrics(0).registry]
    told = {
        name
        for page in pages
        for kind, name in re.findall(r"^# TYPE (\S+) (\S+)", generate_latest(page).decode(), re.M)
        for name in ([kind] if name != "histogram" else [f"{kind}_{e}" for e in _HISTOGRAM])
    }
    known = told | TF_SERVING | OTHERS | {"synthseg_model_available"} | set(expressions())
    for place, queries in {**panels(), **{k: [v] for k, v in expressions().items()}}.items():
        for query in queries:
            assert metrics_of(query), place
            assert metrics_of(query) - known == set(), place


_HISTOGRAM = ("bucket", "sum", "count")


@pytest.mark.parametrize("alert", rules()["groups"][1]["rules"], ids=lambda rule: rule["alert"])
def test_each_alert_says_what_is_wrong_and_where_to_look(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description"} == set(alert["annotations"])
    page = (REPOSITORY / "docs/how-to/watch.md").read_text(encoding="utf-8")
    assert f"`{alert['alert']}`" in page


@pytest.mark.parametrize(
    ("program", "words", "code"),
    [
        ("synthseg_client", ["labels", "--server", "localhost:1"], 1),
        ("synthseg_serving", ["export", "Doe_Jane", "nowhere"], 2),
        ("synthseg_generator", ["check", "Doe_Jane"], 2),
        ("synthseg_trainer", ["recipes", "none"], 2),
    ],
)
def test_every_command_of_every_program_can_log_in_json(
    program: str, words: list[str], code: int
) -> None:
    group = importlib.import_module(f"{program}.cli").main
    for name, command in group.commands.items():
        assert "--log-format" in {flag for option in command.params for flag in option.opts}, name
    done = CliRunner().invoke(group, words, env={"SYNTHSEG_LOG_FORMAT": "json"})
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.exit_code == told[-1]["exit_code"] == code
    assert (told[0]["event"], told[-1]["event"]) == ("command.started", "command.failed")
    assert ("Doe_Jane" in done.stderr) == (program == "synthseg_serving"), "models, not scans"
