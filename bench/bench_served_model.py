"""Time and memory of one scan in the served graph, against the plain Keras network.

The network is the original's, 13.2 million parameters with random weights. Every way runs in a
process of its own, which measures itself from after loading to the answer; the ways take turns,
so a busy machine slows all of them alike. `--edge` chooses the scan's edge in voxels. OpenVINO runs
the same weights where it is installed (`pip install -e '.[bench]'`).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KIB_PER_MIB = 1024
N_LABELS = 32
# Name: kind, flip, oneDNN, all outputs.
WAYS = {
    "Keras, oneDNN off, no flip": ("keras", False, False, False),
    "Keras, oneDNN on, no flip": ("keras", False, True, False),
    "served, labels, no flip": ("served", False, True, False),
    "OpenVINO, no flip": ("openvino", False, False, False),
    "Keras, oneDNN off, flip": ("keras", True, False, False),
    "served, labels, flip": ("served", True, True, False),
    "served, labels and evidence, flip": ("served", True, True, True),
    "OpenVINO, flip": ("openvino", True, False, False),
}
BASELINES = {False: "Keras, oneDNN off, no flip", True: "Keras, oneDNN off, flip"}


def main() -> None:
    """Runs every way in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--child", nargs=2, metavar=("WAY", "MODEL_DIR"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        way, folder = arguments.child
        print(json.dumps(measure(way, Path(folder), arguments.edge)))
        return
    ways = arguments.ways
    if importlib.util.find_spec("openvino") is None:
        print("OpenVINO is not installed: left out (pip install -e '.[bench]').\n")
        ways = [way for way in ways if WAYS[way][0] != "openvino"]
    with tempfile.TemporaryDirectory() as folder:
        run_child("export", folder, arguments.edge)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(arguments.rounds):
            for way in ways:
                found[way].append(run_child(way, folder, arguments.edge))
    print_table(found, arguments.edge)


def run_child(way: str, folder: str, edge: int) -> dict[str, float]:
    """Measures one way in a process of its own."""
    onednn = way == "export" or WAYS[way][2]
    env = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": str(int(onednn)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--edge", str(edge), "--child", way, folder]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(way: str, folder: Path, edge: int) -> dict[str, float]:
    """Loads, then computes one scan; seconds and MiB."""
    import numpy as np

    if way == "export":
        from synthseg_serving.export import export_bundle

        export_bundle(random_bundle(), folder / "model")
        export_plain(folder / "plain")
        return {}
    kind, flip, _, evidence = WAYS[way]
    image = np.random.default_rng(0).uniform(0, 100, (edge,) * 3).astype(np.float32)
    if kind == "keras":
        compute = load_keras(image, flip)
    elif kind == "openvino":
        compute = load_openvino(folder / "plain", image, flip)
    else:
        compute = load_served(folder / "model" / "1", image, flip, evidence)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    compute()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall_s": wall,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mib": after.ru_maxrss / KIB_PER_MIB,
        "loaded_mib": before.ru_maxrss / KIB_PER_MIB,
    }


def random_bundle() -> object:
    """The original's network with random weights."""
    import numpy as np
    from synthseg_common.labels import SYNTHSEG_V1
    from synthseg_serving.variables import variable_shapes
    from synthseg_trainer.config import NetworkSettings
    from synthseg_trainer.network.bundle import Bundle

    rng = np.random.default_rng(0)
    network = NetworkSettings(n_labels=N_LABELS)
    weights = {}
    for name, shape in variable_shapes(network).items():
        if name.endswith(("variance", "gamma")):
            weights[name] = np.ones(shape, np.float32)
        else:
            scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.0
            weights[name] = (scale * rng.normal(size=shape)).astype(np.float32)
    # Most of a scan is background: so is the answer here.
    weights["unet_likelihood/bias"][0] += 6
    return Bundle(network=network, labels=SYNTHSEG_V1, weights=weights)


def load_keras(image: object, flip: bool) -> object:
    """The plain network with softmax, run as the original runs it; labels come out."""
    import tensorflow as tf
    from synthseg_common.processor import available_cores

    tf.config.threading.set_intra_op_parallelism_threads(available_cores())
    posteriors, swap = plain_network()

    def compute() -> object:
        found = posteriors(image)
        if flip:
            other = tf.gather(posteriors(image[::-1])[::-1], swap, axis=-1)
            found = 0.5 * (found + other)
        return tf.argmax(found, -1)

    posteriors(image[:32, :32, :32])
    return compute


def plain_network() -> tuple[object, list[int]]:
    """The Keras network with softmax as a function of a volume, and the channels' other sides."""
    import tensorflow as tf
    from synthseg_trainer.network.bundle import assign_weights
    from synthseg_trainer.network.unet import build_unet

    bundle = random_bundle()
    model = build_unet(bundle.network)
    assign_weights(model, bundle.weights)

    @tf.function(input_signature=[tf.TensorSpec([None] * 3)])
    def posteriors(volume: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(volume[tf.newaxis, ..., tf.newaxis], training=False))[0]

    return posteriors, list(bundle.labels.flip_channels)


def export_plain(folder: Path) -> None:
    """Writes the plain network for OpenVINO, which reads it without TensorFlow."""
    import tensorflow as tf

    module = tf.Module()
    module.posteriors, swap = plain_network()
    module.weights = list(module.posteriors.get_concrete_function().variables)
    tf.saved_model.save(module, str(folder), module.posteriors)
    (folder / "swap.json").write_text(json.dumps(swap))


def load_openvino(folder: Path, image: object, flip: bool) -> object:
    """The plain network in OpenVINO's fastest setting for one scan, in full precision."""
    import numpy as np
    import openvino

    swap = json.loads((folder / "swap.json").read_text())
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0)),
    }
    model = openvino.Core().read_model(folder)
    model.reshape(list(image.shape))
    compiled = openvino.compile_model(model, "CPU", settings)

    def posteriors(volume: object) -> object:
        return compiled(np.ascontiguousarray(volume))[0]

    def compute() -> object:
        found = posteriors(image)
        if flip:
            found = found.copy()
            found += posteriors(image[::-1])[::-1][..., swap]
        return found.argmax(axis=-1)

    return compute


def load_served(folder: Path, image: object, flip: bool, evidence: bool) -> object:
    """The exported version in a session, as a server runs it."""
    import numpy as np
    from synthseg_common import contract
    from synthseg_serving.cpu import choose_instructions

    choose_instructions()
    from synthseg_common.processor import available_cores
    from synthseg_serving.servable import Servable

    servable = Servable(folder, 1, available_cores())
    signature = servable.signatures[contract.SEGMENT_SIGNATURE]
    inputs = {
        contract.IMAGE: image,
        contract.MIN_SIZE: np.full(3, image.shape[0], np.int32),
        contract.FLIP: np.array(flip),
    }
    outputs = [contract.LABELS, *(contract.EVIDENCE if evidence else ())]
    return lambda: servable.run(signature, inputs, outputs)


def print_table(found: dict[str, list[dict[str, float]]], edge: int) -> None:
    """Medians, and ratios to the plain network with the same number of passes."""
    print(f"### One scan of {edge}³ in the graph, 13.2 million parameters\n")
    print(
        "| what | wall s | CPU s | peak MiB | loaded MiB | wall ratio | CPU ratio | memory ratio |"
    )
    print("|---|---|---|---|---|---|---|---|")
    keys = ("wall_s", "cpu_s", "peak_mib", "loaded_mib")
    medians = {
        way: {key: statistics.median(run[key] for run in runs) for key in keys}
        for way, runs in found.items()
    }
    for way, row in medians.items():
        base = medians.get(BASELINES[WAYS[way][1]])
        ratios = ["", "", ""]
        if base is not None:
            ratios = [f"{row[key] / base[key]:.2f}" for key in keys[:3]]
        cells = [f"{row['wall_s']:.1f}", f"{row['cpu_s']:.1f}"]
        cells += [f"{row[key]:.0f}" for key in keys[2:]]
        print(f"| {way} | {' | '.join(cells + ratios)} |")


if __name__ == "__main__":
    main()
