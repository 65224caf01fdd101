"""Metrics of the embedded server."""

from __future__ import annotations

from synthseg_serving.watching.calls import Call
from synthseg_serving.watching.metrics import ServerMetrics


def test_requests_are_counted_by_code_and_reason_and_while_they_last() -> None:
    metrics = ServerMetrics(lambda: {"m": {1: False, 2: True}}, 8)
    value = metrics.registry.get_sample_value
    good, bad = Call(), Call()
    metrics.began(good)
    metrics.began(bad)
    good.moved("queue")
    assert value("synthseg_requests_in_flight", {"stage": "queue"}) == 1
    assert value("synthseg_requests_in_flight", {"stage": "other"}) == 1
    good.moved("")
    good.model, good.signature, good.voxels = "m", "s", 1000
    good.seconds |= {"queue": 0.5, "predict": 7}
    metrics.ended(good, "OK", "", 7.6)
    metrics.ended(bad, "RESOURCE_EXHAUSTED", "queue-full", 0.01)
    of_good = {"model": "m", "signature": "s"}
    assert value("synthseg_requests_total", {**of_good, "code": "OK"}) == 1
    assert value("synthseg_refusals_total", {"reason": "queue-full"}) == 1
    assert value("synthseg_request_seconds_sum", of_good) == 7.6
    assert value("synthseg_stage_seconds_sum", {"model": "m", "stage": "predict"}) == 7
    assert value("synthseg_voxels_total", {"model": "m"}) == 1000
    in_flight = [
        sample.value
        for metric in metrics.registry.collect()
        if metric.name == "synthseg_requests_in_flight"
        for sample in metric.samples
    ]
    assert in_flight == [0] * 5
    assert value("synthseg_model_available", {"model": "m", "version": "1"}) == 0
    assert value("synthseg_model_available", {"model": "m", "version": "2"}) == 1
    assert value("synthseg_queue_limit") == 8
