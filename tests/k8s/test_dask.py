"""Dask on a cluster: one image, and memory that Dask sees before the kernel does."""

from __future__ import annotations

from manifests import containers, find


def test_dask_parts_run_one_image_and_workers_stay_below_their_memory_limit() -> None:
    scheduler, worker = containers("dask")
    assert scheduler["image"] == worker["image"]
    assert f"tcp://{find('dask', 'Service')['metadata']['name']}:8786" in worker["command"]
    (limit,) = (a.split("=")[1] for a in worker["command"] if a.startswith("--memory-limit="))
    assert int(limit.removesuffix("MiB")) < 1024 * int(
        worker["resources"]["limits"]["memory"].removesuffix("Gi")
    )
