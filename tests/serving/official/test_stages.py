"""Each stage alone, from the recorded input of the original's stage to its recorded output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from official_files import write_recorded
from synthseg_common import contract
from synthseg_common.arrays import AnyArray
from synthseg_serving.inference import smooth
from synthseg_serving.official.denoiser import DENOISER
from synthseg_serving.official.networks import PARCELLATION, QUALITY, ROBUST
from synthseg_serving.official.parcellation import Parcellator
from synthseg_serving.official.quality import Scorer, framed, groups_of
from synthseg_serving.official.robust import RobustSegmenter
from synthseg_serving.official.weights import inspect_weights

Stage = Mapping[str, AnyArray]
# Of voxels, whose strongest channel agrees; and the largest difference of probabilities.
EQUAL, CLOSE = 0.9999, 1e-4
SCORE_CLOSE = 1e-3
CSF = 24
# The original excludes this one, by mistake: the label at index 24.
CEREBELLUM = 47


@pytest.fixture(scope="module")
def stage(shared_data: Path) -> Callable[[str], Stage]:
    """Reads a recorded stage."""
    folder = shared_data / "reference_2.0" / "stages"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")

    def read(name: str) -> Stage:
        with np.load(folder / f"{name}.npz") as arrays:
            return dict(arrays)

    return read


@pytest.fixture(scope="module")
def recorded(stage: object, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of the recorded outputs."""
    folder = tmp_path_factory.mktemp("recorded")
    return write_recorded(shared_data, folder, "robust_2.0", "parc_2.0", "qc_2.0")


@pytest.fixture(scope="module")
def robust(recorded: Path) -> RobustSegmenter:
    return RobustSegmenter(inspect_weights(recorded / ROBUST.file).read(), {})


@pytest.fixture(scope="module")
def scorer(recorded: Path) -> Scorer:
    return Scorer(inspect_weights(recorded / QUALITY.file).read(), {})


def assert_recorded(found: tf.Tensor, stage: Stage, name: str) -> None:
    found = found.numpy()
    assert (found.argmax(-1) == stage[f"{name}_argmax"]).mean() >= EQUAL
    assert np.abs(found[::4, ::4, ::4] - stage[f"{name}_sub4"]).max() <= CLOSE


def groups(argmax: AnyArray) -> tf.Tensor:
    return tf.one_hot(tf.constant(argmax, tf.int32), DENOISER.n_labels)


def test_robust_chain(robust: RobustSegmenter, stage: Callable[[str], Stage]) -> None:
    known = stage("robust_parc")
    image = tf.constant(known["image"])[..., tf.newaxis]
    assert_recorded(robust.rough.probabilities(image), known, "S1_softmax")
    mended = robust.denoiser.probabilities(groups(known["S1_softmax_argmax"]))
    assert_recorded(mended, known, "D_softmax")
    six = tf.concat([image, groups(known["D_softmax_argmax"])], -1)
    assert_recorded(robust.unet.probabilities(six), known, "S2_softmax")


def test_parcels_of_either_segmentation(recorded: Path, stage: Callable[[str], Stage]) -> None:
    served = Parcellator(inspect_weights(recorded / PARCELLATION.file).read(), {})
    for name in ("robust_parc", "plain_parc"):
        known = stage(name)
        cortex = known["parc_input_cortex"].astype(np.float32)
        shown = tf.constant(np.stack([known["image"], 1 - cortex, cortex], -1))
        posterior = served.unet.probabilities(shown)
        assert_recorded(posterior, known, "parc_softmax")
        blurred = smooth(tf.pad(posterior, [[1, 1], [0, 0], [0, 0], [0, 0]]))
        assert_recorded(blurred, known, "parc_blurred")


def test_brain_is_framed_in_every_recorded_case(stage: Callable[[str], Stage]) -> None:
    known = stage("makeshape")
    cases = [name.removesuffix("_in") for name in known if name.endswith("_in")]
    assert len(cases) == 11
    for name in cases:
        size = tf.constant(int(known[f"{name}_target"]))
        # The original compares indices, so 24 in them is what it does not count.
        cube = framed(tf.constant(known[f"{name}_in"], tf.int32), size, tf.constant(CSF))
        np.testing.assert_array_equal(cube, known[f"{name}_out"], err_msg=name)


def test_scores_of_a_small_cube(scorer: Scorer, stage: Callable[[str], Stage]) -> None:
    known = stage("qc_64")
    size = tf.constant(64)
    labels = tf.constant(known["labels"][known["seg_index"]], tf.int32)
    cube = framed(labels, size, tf.constant(CEREBELLUM))
    np.testing.assert_array_equal(cube, known["seg_label"])
    np.testing.assert_array_equal(groups_of(cube), known["qc_label"])
    raw = scorer.raw_scores(tf.constant(known["qc_label"], tf.int32), size)
    np.testing.assert_allclose(raw, known["score"], atol=SCORE_CLOSE)
    answer = scorer.score(tf.cast(labels, tf.uint8), size, tf.constant(CEREBELLUM))
    expected = np.clip(known["score"][1:], 0, 1)
    np.testing.assert_allclose(answer[contract.SCORES], expected, atol=SCORE_CLOSE)


@pytest.mark.slow
def test_scores_of_the_full_cube(scorer: Scorer, stage: Callable[[str], Stage]) -> None:
    known, cube = stage("qc_224"), np.zeros((224,) * 3, np.int32)
    cube[80:144, 80:144, 80:144] = known["qc_label_patch"]
    raw = scorer.raw_scores(tf.constant(cube), tf.constant(224))
    np.testing.assert_allclose(raw, known["score"], atol=SCORE_CLOSE)
