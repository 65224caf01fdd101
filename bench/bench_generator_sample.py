"""Time and memory of one synthetic scan, 160³ from a map of 256³, against the unfused model.

Each way runs in a process of its own, which measures itself warm; the ways take turns, so a busy
machine slows both alike. The unfused way is `unfused.py`; both make the same samples, and the
bench says how far their labels and images agree. Then the seconds of every stage of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_maps import label_map_store

from common import KIB_PER_MIB

OURS, UNFUSED = "ours", "unfused"
SEED = 1
# What the original took on two loaded cores, for the same sizes.
ORIGINAL_S, ORIGINAL_MIB = (12.0, 16.0), 6.4e9 / 2**20


def main() -> None:
    """Runs both ways in turn and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--samples", type=int, default=3, help="Timed samples of each process.")
    parser.add_argument("--edge", type=int, default=160, help="Edge of the crop in voxels.")
    parser.add_argument("--child", nargs=2, metavar=("WAY", "STORE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        way, store = arguments.child
        print(json.dumps(measure(way, store, arguments.samples, arguments.edge)))
        return
    with label_map_store(2) as store:
        runs: dict[str, list[dict[str, Any]]] = {UNFUSED: [], OURS: []}
        for _ in range(arguments.rounds):
            for way, found in runs.items():
                found.append(run_child(way, store, arguments))
    print_table(runs, arguments.edge)
    print_stages(runs[OURS])


def run_child(way: str, store: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures one way in a process of its own."""
    command = [sys.executable, __file__, "--samples", str(arguments.samples)]
    command += ["--edge", str(arguments.edge), "--child", way, str(store)]
    env = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(way: str, store: str, n_samples: int, edge: int) -> dict[str, Any]:
    """Makes samples after a first one that builds the graph; seconds, MiB and a short digest."""
    import numpy as np
    from synthseg_generator.feed.samples import SampleSource
    from synthseg_generator.settings.generator import Crop, GeneratorSettings
    from synthseg_generator.store.label_store import open_store

    settings = GeneratorSettings(crop=Crop(shape=(edge,) * 3))
    source = SampleSource(open_store(store), settings, SEED)
    make = {OURS: load_ours, UNFUSED: load_unfused}[way](source)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    make(0)
    walls, cpus, digests = [], [], []
    for k in range(1, n_samples + 1):
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        image, labels = (np.asarray(part) for part in make(k))
        walls.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        digests.append(
            [image[::8, ::8, ::8].ravel().tolist(), labels[::8, ::8, ::8].ravel().tolist()]
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "wall_s": statistics.median(walls),
        "cpu_s": statistics.median(cpus),
        "peak_mib": peak / KIB_PER_MIB,
        "loaded_mib": loaded / KIB_PER_MIB,
        "digests": digests,
        "stages": time_stages(source, n_samples) if way == OURS else {},
    }


def load_ours(source: Any) -> Callable[[int], Any]:
    """Our graph, from the number of a sample to image and label indices."""
    import tensorflow as tf
    from synthseg_generator.graph.noise import draw_voxel_noise
    from synthseg_generator.graph.synthesizer import Synthesizer

    synthesize = Synthesizer(source.settings, source.labels, source.map_shape)

    @tf.function
    def graph(ids: Any, row: Any) -> Any:
        labels = synthesize.deform(ids, row)
        noise = draw_voxel_noise(row["noise_seed"], synthesize.noise_shape)
        return synthesize.paint(labels, row, noise), synthesize.target(labels, row), labels

    def make(k: int) -> Any:
        parameters = source.parameters(k)
        image, _, labels = graph(source.label_map(int(parameters.map_index)), parameters.to_row())
        return image, labels

    return make


def load_unfused(source: Any) -> Callable[[int], Any]:
    """The baseline, from the number of a sample to image and label indices."""
    import tensorflow as tf
    import unfused
    from synthseg_generator.graph.noise import draw_voxel_noise

    # Folded, the coordinates of all voxels become constants, and the graph takes over 16 GB.
    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    crop = source.settings.crop.shape
    flipped = source.labels.flip_indices

    @tf.function
    def graph(ids: Any, row: Any) -> Any:
        noise = draw_voxel_noise(row["noise_seed"], (*crop, 1))
        image, labels = unfused.make_sample(tf.cast(ids, tf.int32), row, noise, crop, flipped)
        return image, labels, tf.gather(source.labels.targets, labels)

    def make(k: int) -> Any:
        parameters = source.parameters(k)
        row = {name: tf.constant(value) for name, value in parameters.to_row().items()}
        image, labels, _ = graph(tf.constant(source.label_map(int(parameters.map_index))), row)
        return image, labels

    return make


def time_stages(source: Any, n_samples: int) -> dict[str, float]:
    """Seconds of each stage of ours when it runs alone, medians; the fused graph overlaps some."""
    import tensorflow as tf
    from synthseg_generator.graph import deformation, intensity, interpolation
    from synthseg_generator.graph.acquisition import apply_acquisition, compute_blur_reaches
    from synthseg_generator.graph.noise import draw_voxel_noise
    from synthseg_generator.graph.synthesizer import Synthesizer

    synthesize = Synthesizer(source.settings, source.labels, source.map_shape)
    elastic, shape, crop = source.settings.elastic, source.map_shape, source.settings.crop.shape
    stages: dict[str, Callable[..., Any]] = {
        "integrate velocity": lambda row, _: deformation.integrate_displacement(
            row["velocity"], shape, elastic.integration_step, elastic.squarings
        ),
        "coordinates of the crop": lambda row, field: deformation.compose_coordinates(
            field, row["matrix"], shape, crop, row["crop_start"], row["flip"]
        ),
        "look up labels": lambda row, places: tf.cast(
            interpolation.sample_nearest(row["ids"], places, shape), tf.int32
        ),
        "voxel noise": lambda row, _: draw_voxel_noise(row["noise_seed"], synthesize.noise_shape),
        "mixture of Gaussians": lambda row, noise: intensity.apply_mixture(
            row["labels"], row["means"], row["stds"], noise
        ),
        "bias field": lambda row, image: intensity.apply_bias_field(image, row["log_bias"]),
        "clip, normalise, gamma": lambda row, image: intensity.apply_gamma(
            intensity.apply_normalisation(intensity.apply_clip(image, source.settings.clip)),
            row["gamma"],
        ),
        "resolution": lambda row, image: apply_acquisition(
            image,
            row["spacing_mm"],
            row["thickness_mm"],
            row["blur_factor"],
            reaches=compute_blur_reaches(
                source.settings.acquisition, source.settings.n_channels, 1.0
            ),
        ),
        "target": lambda row, _: synthesize.target(row["labels"], row),
    }
    graphs = {name: tf.function(stage) for name, stage in stages.items()}
    seconds: dict[str, list[float]] = {name: [] for name in stages}
    for k in range(n_samples + 1):
        parameters = source.parameters(k)
        row = {name: tf.constant(value) for name, value in parameters.to_row().items()}
        row["ids"] = tf.constant(source.label_map(int(parameters.map_index)))
        row["labels"] = synthesize.deform(row["ids"], row)
        value: Any = tf.zeros(())
        for name, graph in graphs.items():
            started = time.perf_counter()
            value = graph(row, value)
            tf.reduce_sum(value).numpy() if name == "voxel noise" else value.numpy()
            if k:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def print_table(runs: dict[str, list[dict[str, Any]]], edge: int) -> None:
    """Medians over the rounds and the ratios to the unfused way, and how far the two agree."""
    keys = ("wall_s", "cpu_s", "peak_mib", "loaded_mib")
    rows = {
        w: {k: statistics.median(r[k] for r in found) for k in keys} for w, found in runs.items()
    }
    base = rows[UNFUSED]
    print(f"### One {edge}³ sample from a 256³ map, warm, {len(os.sched_getaffinity(0))} cores\n")
    print("| | wall s | CPU s | peak MiB | MiB before the first | unfused over this: s | MiB |")
    print("|---|---|---|---|---|---|---|")
    for way, row in rows.items():
        ratios = [f"{base[key] / row[key]:.1f}" for key in ("wall_s", "peak_mib")]
        sizes = [f"{row[key]:.0f}" for key in ("peak_mib", "loaded_mib")]
        cells = [f"{row['wall_s']:.2f}", f"{row['cpu_s']:.2f}", *sizes, *ratios]
        print(f"| {way} | {' | '.join(cells)} |")
    ours = rows[OURS]
    faster = " to ".join(f"{seconds / ours['wall_s']:.0f}" for seconds in ORIGINAL_S)
    print(
        f"\nThe original took {ORIGINAL_S[0]:.0f} to {ORIGINAL_S[1]:.0f} s and 6.4 GB: {faster} "
        f"times the time and {ORIGINAL_MIB / ours['peak_mib']:.1f} times the memory of ours."
    )
    print(agreement(runs))


def agreement(runs: dict[str, list[dict[str, Any]]]) -> str:
    """How far the two ways make the same samples, on every 8th voxel along each axis."""
    import numpy as np

    one, other = (runs[way][0]["digests"] for way in (OURS, UNFUSED))
    images, labels = (np.array([[s[part] for s in way] for way in (one, other)]) for part in (0, 1))
    equal = 100 * (labels[0] == labels[1]).mean()
    return (
        f"Both make the same samples: labels equal on {equal:.1f} % of "
        f"voxels, images {np.abs(images[0] - images[1]).mean():.1g} apart on average (our velocity "
        "is integrated on a coarser grid by default)."
    )


def print_stages(runs: list[dict[str, Any]]) -> None:
    """Seconds of each stage."""
    print("\n| stage of ours, run alone | s |\n|---|---|")
    for name in runs[0]["stages"]:
        print(f"| {name} | {statistics.median(run['stages'][name] for run in runs):.3f} |")


if __name__ == "__main__":
    main()
