import numpy as np
import pytest
import tensorflow as tf
from synthseg_trainer.losses import (
    cross_entropy_loss,
    dice_cross_entropy_loss,
    dice_loss,
    wl2_loss,
)


@pytest.fixture(scope="module")
def recorded(shared_data):
    with np.load(shared_data / "reference" / "layers" / "losses.npz") as file:
        return {name: file[name] for name in file.files}


def _mean_over_batch(loss, scores, one_hot):
    n_labels = one_hot.shape[-1]
    targets = one_hot.argmax(axis=-1).astype(np.int32)
    pairs = zip(scores.astype(np.float32), targets, strict=True)
    return np.mean([float(loss(s.reshape(-1, n_labels), t.ravel())) for s, t in pairs])


def _as_logits(probabilities):
    return np.log(np.maximum(probabilities, 1e-30))


@pytest.mark.parametrize(
    ("truth", "value"),
    [("gt", "dice"), ("gt_all_bg", "dice_all_bg")],
)
def test_dice_equals_official(recorded, truth, value):
    ours = _mean_over_batch(dice_loss, _as_logits(recorded["pred"]), recorded[truth])
    assert ours == pytest.approx(float(recorded[value]), abs=1e-5)


def test_cross_entropy_equals_official(recorded):
    ours = _mean_over_batch(cross_entropy_loss, _as_logits(recorded["pred"]), recorded["gt"])
    assert ours == pytest.approx(float(recorded["ce"]), rel=1e-4)


def test_wl2_equals_official_where_both_weigh_the_background_little(recorded):
    n_labels = recorded["gt"].shape[-1]
    logits = recorded["logits"].astype(np.float32).reshape(-1, n_labels)
    target = recorded["gt"].argmax(axis=-1).astype(np.int32).ravel()
    assert float(wl2_loss(logits, target)) == pytest.approx(float(recorded["wl2"]), rel=1e-3)


def test_wl2_is_finite_on_background_alone():
    loss = wl2_loss(tf.random.stateless_normal((50, 4), [1, 2]), tf.zeros(50, tf.int32))
    assert np.isfinite(float(loss))


def test_dice_of_a_sure_and_right_answer_is_zero():
    target = tf.constant([0, 1, 2, 1])
    assert float(dice_loss(50.0 * tf.one_hot(target, 3), target)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [wl2_loss, dice_loss, cross_entropy_loss, dice_cross_entropy_loss])
def test_gradient_equals_finite_differences(loss):
    logits = tf.random.stateless_normal((7, 3), [3, 4])
    target = tf.constant([0, 1, 2, 2, 1, 0, 0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits, target)
    gradient = tape.gradient(value, logits).numpy()
    step = 1e-2
    for voxel, label in np.ndindex(7, 3):
        nudge = np.zeros((7, 3), np.float32)
        nudge[voxel, label] = step
        slope = (float(loss(logits + nudge, target)) - float(loss(logits - nudge, target))) / (
            2 * step
        )
        assert gradient[voxel, label] == pytest.approx(slope, abs=2e-3)
