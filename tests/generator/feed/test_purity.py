"""Sample k is the same however it is made: here, in tf.data, by Dask workers, after a restart."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from equal_samples import assert_same_cut
from synthseg_generator.brain_generator import BrainGenerator
from synthseg_generator.cluster.jobs import run_ordered
from synthseg_generator.feed.samples import SampleSource, Shard, make_sample_dataset
from synthseg_generator.feed.stream import StreamSettings, open_stream
from synthseg_generator.feed.stream_worker import CutSample, cut_sample, cut_samples, unpack
from synthseg_generator.graph.noise import draw_voxel_noise
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.sample import Sample
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore
from typed import there

Tensor = Any
Render = Callable[[Mapping[str, Any]], tuple[Tensor, ...]]

N_SAMPLES = 4
IMAGE_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def source(store: LabelStore, small_settings: GeneratorSettings) -> SampleSource:
    return SampleSource(store, small_settings, seed=11)


@pytest.fixture(scope="module")
def reference(source: SampleSource) -> list[CutSample]:
    """What plain Python makes, one sample after the other: box and parameters."""
    return [cut_sample(source, k) for k in range(N_SAMPLES)]


@pytest.fixture(scope="module")
def rendered(source: SampleSource) -> list[Sample]:
    """Images and labels of plain Python."""
    generator = BrainGenerator.from_source(source)
    return [generator.sample(k) for k in range(N_SAMPLES)]


@pytest.fixture(scope="module")
def render(source: SampleSource) -> Render:
    """From an element of a dataset to number, image and label values; traced once."""
    import tensorflow as tf

    labels = source.store.labels
    synthesize = Synthesizer(source.settings, labels, source.map_shape)
    values = np.array(sorted({0, *labels.targets}), np.int32)
    row = {
        name: tf.TensorSpec(v.shape, v.dtype) for name, v in source.parameters(0).to_row().items()
    }
    box, start = tf.TensorSpec((None,) * 3, tf.uint8), tf.TensorSpec((3,), tf.int32)

    def make(ids: Tensor, parameters: Any, box_start: Tensor) -> tuple[Tensor, Tensor]:
        noise = draw_voxel_noise(parameters["noise_seed"], (*there(source.settings.crop.shape), 1))
        image, target = synthesize(ids, parameters, noise, box_start)
        return image, tf.gather(values, target)

    compiled = tf.function(make, input_signature=[box, row, start])

    def render_element(element: Mapping[str, Any]) -> tuple[Tensor, ...]:
        box_start = element.get("box_start", tf.zeros(3, tf.int32))
        return element["k"], *compiled(element["labels"], element["row"], box_start)

    return render_element


def assert_same_bits(samples: Iterable[CutSample], reference: list[CutSample]) -> None:
    for sample, expected in zip(samples, reference, strict=True):
        assert_same_cut(sample, expected)


def assert_same_images(
    made: Iterable[tuple[Tensor, Tensor, Tensor]], rendered: list[Sample]
) -> None:
    for (k, image, labels), (position, expected) in zip(made, enumerate(rendered), strict=True):
        assert int(k) == position
        np.testing.assert_array_equal(labels, expected.labels)
        np.testing.assert_allclose(image, expected.image, atol=IMAGE_TOLERANCE)


@pytest.mark.parametrize("calls", [1, 4])
def test_tf_data_makes_the_images_of_plain_python(
    source: SampleSource, rendered: list[Sample], render: Render, calls: int
) -> None:
    samples = make_sample_dataset(source, Shard(count=N_SAMPLES))
    assert_same_images(samples.map(render, num_parallel_calls=calls), rendered)


@pytest.mark.parametrize("calls", [1, 4])
def test_dask_workers_make_the_images_of_plain_python(
    cluster: Any, source: SampleSource, rendered: list[Sample], render: Render, calls: int
) -> None:
    with open_stream(source, StreamSettings(scheduler=cluster.scheduler.address)) as stream:
        samples = stream.dataset(Shard(count=N_SAMPLES))
        assert_same_images(samples.map(render, num_parallel_calls=calls), rendered)


@pytest.mark.parametrize("order", [1, 2])
def test_four_workers_give_the_same_bits_in_any_order(
    cluster: Any, source: SampleSource, reference: list[CutSample], order: int
) -> None:
    numbers = list(range(N_SAMPLES))
    random.Random(order).shuffle(numbers)
    jobs, shared = [([k],) for k in numbers], (source, 2**20)
    tasks = run_ordered(cluster, cut_samples, jobs, 4, shared)
    samples = [unpack(sample) for task in tasks for sample in task]
    assert_same_bits(sorted(samples, key=lambda sample: sample.k), reference)


def test_one_worker_gives_the_same_bits(source: SampleSource, reference: list[CutSample]) -> None:
    with open_stream(source, StreamSettings(workers=1, window=2)) as stream:
        assert_same_bits(stream.samples(Shard(count=N_SAMPLES)), reference)


def test_a_process_that_starts_anew_gives_the_same_bits(
    tmp_path: Path, source: SampleSource, reference: list[CutSample]
) -> None:
    program = (
        "import pickle, sys\n"
        "from synthseg_generator.feed.stream_worker import cut_sample\n"
        "source = pickle.load(open(sys.argv[1], 'rb'))\n"
        f"samples = [cut_sample(source, k) for k in reversed(range({N_SAMPLES}))]\n"
        "assert 'tensorflow' not in sys.modules\n"
        "pickle.dump(samples, open(sys.argv[2], 'wb'))\n"
    )
    paths = [tmp_path / "source.pickle", tmp_path / "samples.pickle"]
    paths[0].write_bytes(pickle.dumps(source))
    subprocess.run([sys.executable, "-c", program, *paths], check=True)
    assert_same_bits(reversed(pickle.loads(paths[1].read_bytes())), reference)
