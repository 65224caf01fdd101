"""What a training step costs: input, generator and network apart, memory, and a second worker.

The machine is seldom idle, so processor seconds stand beside those on the clock: on two cores an
idle machine takes about half of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_maps import label_map_store

from common import REPOSITORY, Usage, run_measured

N_MAPS = 2
# Recorded with the original (TensorFlow 2.2, two loaded cores): 96³, 24 features, one Dice step.
OFFICIAL = "| original, 96³, 24 features | 52 | | | | | | 15.2 GB |"
SETUPS = {
    "laptop, 128³": "laptop recipe, first stage: stem 2, 16 features",
    "laptop, 160x192x160": "laptop recipe, last stage",
    "laptop_wide, 160x192x160": "laptop_wide recipe: 32 features, 64 for details",
    "2021, 96³": "the whole network of the original: 24 features, 5 levels",
}


def settings_of(name: str, store: Path) -> Any:
    """Settings of a setup: one long stage."""
    from synthseg_trainer.config import load_settings

    recipe, _, _ = name.partition(",")
    settings = load_settings(Path(recipe), store=str(store))
    stage = settings.stages[-1] if "160x192" in name or recipe == "2021" else settings.stages[0]
    validation = dataclasses.replace(settings.validation, maps=())
    return dataclasses.replace(
        settings, stages=(dataclasses.replace(stage, steps=10**6),), validation=validation
    )


def timed(action: Callable[[], Any], times: int) -> tuple[float, float]:
    """Seconds on the clock and of the processor, per call."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        action()
    return (time.perf_counter() - wall) / times, (time.process_time() - cpu) / times


def measure_step(name: str, store: Path, steps: int) -> dict[str, Any]:
    """Times the parts of a step; runs in a process of its own."""
    import tensorflow as tf
    from synthseg_generator.feed.samples import Shard
    from synthseg_trainer.training.state import Training

    with tempfile.TemporaryDirectory() as run:
        training = Training(settings_of(name, store), Path(run))
        stage = training.settings.stages[0]
        source = training.sources.of_stage(stage)
        elements = iter(source.dataset(Shard()).batch(1))
        for _ in range(2 * N_MAPS):
            batch = next(elements)
        input_s, _ = timed(lambda: next(elements), steps)
        render = tf.function(source.render, autograph=False)
        render(batch)
        generator = timed(lambda: render(batch), steps)
        step = training.make_step(stage, source)
        step(batch)
        whole = timed(lambda: step(batch), steps)
    return {"input": input_s, "generator": generator, "step": whole}


def measured_child(name: str, store: Path, steps: int) -> tuple[dict[str, Any], Usage]:
    """What a process of its own measured, and what it used."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        command = [sys.executable, str(Path(__file__).resolve()), "--child", name]
        command += ["--store", str(store), "--steps", str(steps), "--out", str(out)]
        usage = run_measured(command, timeout_s=1800)
        return json.loads(out.read_text()), usage


def steps_table(store: Path, steps: int, names: list[str]) -> None:
    """One line per setup."""
    print("| setup | step, wall s | step, CPU s | input | generator | network | steps/s | peak |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        measured, usage = measured_child(name, store, steps)
        (wall, cpu), (made, _) = measured["step"], measured["generator"]
        print(
            f"| {name} | {wall:.2f} | {cpu:.2f} | {measured['input']:.3f} s | {made:.2f} s "
            f"| {wall - made:.2f} s | {1 / wall:.2f} | {usage.peak_rss_mib / 1024:.1f} GB |",
            flush=True,
        )
    print(OFFICIAL)


LEAST_SCALING_STEPS = 30
SCALING_RUN = """
store: {store}
batch_size: 2
network: {{stem: 2, features: 16, n_levels: 4, normalization: batch}}
scored_subvoxels: 2
generator:
  crop: {{shape: [96, 96, 96], placement: centred}}
  elastic: {{integration_step: 8}}
stages: [{{name: only, steps: {steps}, loss: dice_cross_entropy}}]
checkpoint_steps: 1000000
log_steps: 1
"""


def scaling(store: Path, steps: int) -> None:
    """A batch of two on one worker, and shared by two over TCP on the same cores.

    Starts differ by seconds from run to run: few steps would not tell more than these.
    """
    steps = max(steps, LEAST_SCALING_STEPS)
    print("\n| workers | wall s per step | CPU s per step, all workers |")
    print("|---|---|---|")
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            long, short = (_run_workers(store, Path(folder), workers, n) for n in (steps + 2, 2))
        wall, cpu = ((a - b) / steps for a, b in zip(long, short, strict=True))
        print(f"| {workers} | {wall:.2f} | {cpu:.2f} |", flush=True)


def _run_workers(store: Path, folder: Path, workers: int, steps: int) -> tuple[float, float]:
    """Wall and processor seconds of a whole run, start and tracing included."""
    config = folder / f"run{steps}.yaml"
    config.write_text(SCALING_RUN.format(store=store, steps=steps))
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers)]
    command = [sys.executable, "-m", "synthseg_trainer", "train", str(config)]
    command += ["--run", str(folder / f"{steps}")]
    started, children = time.perf_counter(), []
    for index in range(workers):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        own = {"TF_CONFIG": json.dumps(task)} if workers > 1 else {}
        children.append(
            subprocess.Popen(
                command,
                env={**os.environ, **own},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
    cpu = 0.0
    for child in children:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"a worker ended with {child.returncode}")
        cpu += usage.ru_utime + usage.ru_stime
    return time.perf_counter() - started, cpu


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def main() -> None:
    """Prints two tables, or measures one setup for the parent process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", help="Measure this setup, for the parent process.")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--only", action="append", help="Setup; 'scaling' for the second table.")
    options = parser.parse_args()
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.child:
        measured = measure_step(options.child, options.store, options.steps)
        options.out.write_text(json.dumps(measured))
        return
    wanted = options.only or [*SETUPS, "scaling"]
    os.chdir(REPOSITORY)
    with label_map_store(N_MAPS) as store:
        print("### A training step, batch of 1\n")
        steps_table(store, options.steps, [name for name in SETUPS if name in wanted])
        if "scaling" in wanted:
            scaling(store, options.steps)


if __name__ == "__main__":
    main()
