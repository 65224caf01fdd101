"""TensorFlow Serving on a cluster: threads, grace, metrics, readiness."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading

import pytest
from manifests import K8S, Manifest, build, containers, find, flag, pod_templates, with_pods

# 2.7 GB at 4.5 MB a second.
IMAGE_PULL_S = 600
SERVING = [
    overlay
    for overlay in with_pods()
    if any(c["name"] == "tensorflow-serving" for c in containers(overlay))
]


def model_server(overlay: str) -> Manifest:
    """The container of TensorFlow Serving, whatever stands beside it."""
    (found,) = (c for c in containers(overlay) if c["name"] == "tensorflow-serving")
    return found


@pytest.mark.parametrize("overlay", SERVING)
def test_server_threads_are_the_container_s_cores(overlay: str) -> None:
    container = model_server(overlay)
    assert (
        flag(container, "tensorflow_intra_op_parallelism")
        == container["resources"]["limits"]["cpu"]
    )


@pytest.mark.parametrize("overlay", SERVING)
def test_server_ends_within_its_grace_period_after_the_longest_scan(overlay: str) -> None:
    ((_, pod),) = pod_templates(overlay)
    container = model_server(overlay)
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

    container = model_server("serving")
    probe = container["startupProbe"]["exec"]["command"]
    with http.server.HTTPServer(("127.0.0.1", 0), Status) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [part.replace("/8501", f"/{server.server_port}") for part in probe]
        done = subprocess.run(command, timeout=300, check=False)
        server.shutdown()
    assert (done.returncode == 0) == (state == "AVAILABLE")


@pytest.mark.parametrize("overlay", SERVING)
def test_probes_of_a_server_that_runs_are_no_requests_in_its_metrics(overlay: str) -> None:
    container = model_server(overlay)
    for probe in ("readinessProbe", "livenessProbe"):
        assert "tcpSocket" in container[probe], "TensorFlow Serving counts questions over HTTP"


@pytest.mark.parametrize("overlay", SERVING)
def test_a_roll_out_may_take_as_long_as_an_image_and_a_model_need(overlay: str) -> None:
    ((_, pod),) = pod_templates(overlay)
    startup = model_server(overlay)["startupProbe"]
    seconds = startup["periodSeconds"] * startup["failureThreshold"]
    (deployment,) = (m for m in build(overlay) if m["kind"] == "Deployment")
    assert deployment["spec"]["progressDeadlineSeconds"] >= seconds + IMAGE_PULL_S
    spread = {c["topologyKey"] for c in pod["spec"]["topologySpreadConstraints"]}
    assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


def test_one_gpu_is_never_asked_for_twice() -> None:
    """Neither by a roll-out nor by an autoscaler, and memory has a limit below the whole."""
    deployment = find("serving-gpu", "Deployment")["spec"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    assert "HorizontalPodAutoscaler" not in {m["kind"] for m in build("serving-gpu")}
    pod = deployment["template"]["spec"]
    (server,) = pod["containers"]
    assert server["image"].endswith("-gpu")
    assert server["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod[
        "tolerations"
    ]
    assert 0 < float(flag(server, "per_process_gpu_memory_fraction")) < 1
    assert {"name": "TF_FORCE_GPU_ALLOW_GROWTH", "value": "true"} in server["env"]
