from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from compiled import finite_in_every_way
from synthseg_common.arrays import AnyArray, FloatArray
from synthseg_trainer.config import LossWeights
from synthseg_trainer.training.losses import (
    cross_entropy_loss,
    dice_cross_entropy_loss,
    dice_loss,
    near_boundaries,
    sample_terms,
    wl2_terms,
)

LOSSES = [dice_loss, cross_entropy_loss, dice_cross_entropy_loss]
CLASSES = LossWeights(classes=(1, 2, 3, 4, 5))
WEIGHTS = [
    LossWeights(),
    LossWeights(classes=(1, 0, 3)),
    LossWeights(inverse_volume=True),
    LossWeights(boundary=2.0),
    LossWeights(boundary=2.0, inverse_volume=True),
]


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> dict[str, AnyArray]:
    with np.load(shared_data / "reference" / "layers" / "losses.npz") as file:
        return {name: file[name] for name in file.files}


def _mean_over_batch(
    loss: Callable[..., tf.Tensor],
    probabilities: AnyArray,
    one_hot: AnyArray,
    weights: LossWeights | None = None,
) -> float:
    n_labels = one_hot.shape[-1]
    values = []
    for p, g in zip(probabilities, one_hot, strict=True):
        logits = np.log(np.maximum(p, 1e-30)).astype(np.float32).reshape(-1, n_labels)
        target = tf.constant(g.argmax(axis=-1).astype(np.int32))
        near = None
        if weights is not None and weights.boundary:
            near = near_boundaries(target, n_labels, weights.boundary_distance)
            near = tf.reshape(near, (-1, n_labels))
        values.append(float(loss(tf.constant(logits), tf.reshape(target, (-1,)), weights, near)))
    return float(np.mean(values))


def _wl2_of_batch(recorded: dict[str, AnyArray], truth: str) -> float:
    """As a step does: totals over weights of all samples."""
    terms = sample_terms("wl2", LossWeights())
    n_labels = recorded[truth].shape[-1]
    found = [
        terms(
            tf.constant(logits.astype(np.float32).reshape(-1, n_labels)),
            tf.constant(one_hot.argmax(axis=-1).astype(np.int32).ravel()),
            None,
        )
        for logits, one_hot in zip(recorded["logits"], recorded[truth], strict=True)
    ]
    return float(sum(t.total for t in found) / sum(t.weight for t in found))


@pytest.mark.parametrize(
    ("loss", "scores", "truth", "weights", "value"),
    [
        (dice_loss, "pred", "gt", None, "dice"),
        (dice_loss, "pred", "gt_all_bg", None, "dice_all_bg"),
        (dice_loss, "pred", "gt", CLASSES, "dice_classw"),
        (dice_loss, "pred", "gt", LossWeights(boundary=2, boundary_distance=1), "dice_boundary"),
        (
            dice_loss,
            "pred_smooth",
            "gt_smooth",
            LossWeights(boundary=4, boundary_distance=3),
            "dice_boundary_smooth_d3_w4",
        ),
        (cross_entropy_loss, "pred", "gt", None, "ce"),
        (
            cross_entropy_loss,
            "pred",
            "gt",
            LossWeights(boundary=2, boundary_distance=1),
            "ce_boundary",
        ),
    ],
)
def test_loss_equals_the_official_one(
    recorded: dict[str, AnyArray],
    loss: Callable[..., tf.Tensor],
    scores: str,
    truth: str,
    weights: LossWeights | None,
    value: str,
) -> None:
    ours = _mean_over_batch(loss, recorded[scores], recorded[truth], weights)
    assert ours == pytest.approx(float(recorded[value]), rel=1e-5)


def test_inverse_volume_equals_the_official_one(recorded: dict[str, AnyArray]) -> None:
    weights = LossWeights(inverse_volume=True)
    ours = _mean_over_batch(dice_loss, recorded["pred"][:1], recorded["gt"][:1], weights)
    assert ours == pytest.approx(float(recorded["dice_dyn_b1"]), rel=1e-5)


def test_class_weights_of_cross_entropy_equal_the_official_ones_but_for_its_sum_over_an_axis(
    recorded: dict[str, AnyArray],
) -> None:
    n_labels, last_axis = recorded["gt"].shape[-1], recorded["gt"].shape[-2]
    ours = _mean_over_batch(cross_entropy_loss, recorded["pred"], recorded["gt"], CLASSES)
    expected = float(recorded["ce_classw"]) * n_labels / last_axis
    assert ours == pytest.approx(expected, rel=1e-5)


def test_wl2_of_a_batch_equals_the_official_one(recorded: dict[str, AnyArray]) -> None:
    assert _wl2_of_batch(recorded, "gt") == pytest.approx(float(recorded["wl2"]), rel=1e-5)


def test_wl2_is_finite_on_background_alone(recorded: dict[str, AnyArray]) -> None:
    assert np.isnan(recorded["wl2_all_bg"])
    assert _wl2_of_batch(recorded, "gt_all_bg") == pytest.approx(33.6, abs=0.1)


def test_wl2_weighs_background_as_told() -> None:
    logits = tf.constant([[5.0, -5.0], [5.0, -5.0]])
    terms = wl2_terms(logits, tf.constant([0, 1]), background=0.5)
    # The first voxel is right; both scores of the second are 10 off.
    assert float(terms.total / terms.weight) == pytest.approx((10**2 + 10**2) / (1.5 * 2))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_background_alone_gives_a_finite_loss_and_gradient(
    loss: Callable[..., tf.Tensor], weights: LossWeights | None
) -> None:
    logits = tf.random.stateless_normal((64, 3), [1, 2])
    target = tf.zeros(64, tf.int32)
    near = tf.reshape(near_boundaries(tf.zeros((4, 4, 4), tf.int32), 3, 3), (-1, 3))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits, target, weights, near)
    assert np.isfinite(float(value))
    assert np.all(np.isfinite(tape.gradient(value, logits)))


# So sure that float32 drops the square of every other label's probability.
SURE = np.tile(np.array([[60, 0, 0]], np.float32), (64, 1))
ONE_VOXEL = np.eye(1, 64, 21, dtype=np.int32)[0]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [ONE_VOXEL, 0 * ONE_VOXEL], ids=["one voxel", "background"])
def test_losses_and_gradients_are_finite_however_they_are_compiled(
    loss: Callable[..., tf.Tensor], target: tf.Tensor
) -> None:
    def loss_and_gradient(logits: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        near = near_boundaries(tf.reshape(target, (4, 4, 4)), 3, 1)
        near = tf.reshape(near, (-1, 3))
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = tf.stack([loss(logits, target, weights, near) for weights in WEIGHTS])
        return values, tape.gradient(values, logits)

    finite_in_every_way(loss_and_gradient, SURE, target)


@pytest.mark.parametrize("background", [1e-8, 1e-40])
@pytest.mark.parametrize("target", [ONE_VOXEL, 0 * ONE_VOXEL], ids=["one voxel", "background"])
def test_wl2_of_little_weight_is_finite_however_it_is_compiled(
    background: float, target: tf.Tensor
) -> None:
    """Also where float32 holds a weight with few digits, or a processor takes it for 0."""

    def loss_and_gradient(logits: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            terms = wl2_terms(logits, target, background)
        return terms.total / terms.weight, tape.gradient(terms.total, logits) / terms.weight

    value, gradient = finite_in_every_way(loss_and_gradient, np.zeros_like(SURE), target)
    assert value == pytest.approx(25)
    assert np.abs(gradient).sum() > 0


def test_dice_of_a_sure_and_right_answer_is_zero() -> None:
    target = tf.constant([0, 1, 2, 1])
    assert float(dice_loss(50.0 * tf.one_hot(target, 3), target)) == pytest.approx(0, abs=1e-6)


def test_cross_entropy_of_a_sure_and_wrong_answer_is_finite_and_corrected() -> None:
    logits = tf.constant([[500.0, -500.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = dice_cross_entropy_loss(logits, tf.constant([1]))
    assert np.isfinite(float(value))
    np.testing.assert_allclose(tape.gradient(value, logits), [[1, -1]], atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_weights_change_nothing(loss: Callable[..., tf.Tensor]) -> None:
    logits = tf.random.stateless_normal((7, 3), [3, 4])
    target = tf.constant([0, 1, 2, 2, 1, 0, 0])
    plain, weighed = (float(loss(logits, target, w)) for w in (None, LossWeights(classes=(2,) * 3)))
    assert weighed == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_gradient_equals_finite_differences(
    loss: Callable[..., tf.Tensor], weights: LossWeights | None
) -> None:
    logits = tf.random.stateless_normal((8, 3), [3, 4])
    volume = tf.constant([0, 1, 2, 2, 1, 0, 0, 1])
    near = tf.random.stateless_uniform((8, 3), [5, 6]) < 0.5
    _assert_slope(lambda z: loss(z, volume, weights, near), logits)


def test_gradient_of_the_warm_up_equals_finite_differences() -> None:
    target = tf.constant([0, 1, 2, 2, 1, 0, 0, 1])
    _assert_slope(
        lambda z: wl2_terms(z, target, 0.1).total, tf.random.stateless_normal((8, 3), [3, 4])
    )


def _assert_slope(loss: Callable[..., tf.Tensor], logits: FloatArray) -> None:
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits)
    gradient = tape.gradient(value, logits).numpy()
    step = 1e-2
    for place in np.ndindex(*logits.shape):
        nudge = np.zeros(logits.shape, np.float32)
        nudge[place] = step
        slope = (float(loss(logits + nudge)) - float(loss(logits - nudge))) / (2 * step)
        assert gradient[place] == pytest.approx(slope, abs=2e-3)


def test_boundaries_are_where_a_label_is_rare_but_not_absent() -> None:
    target = np.zeros((9, 9, 9), np.int32)
    target[4, 4, 4] = 1
    near = near_boundaries(tf.constant(target), 2, 1).numpy()
    expected = np.zeros_like(near)
    expected[3:6, 3:6, 3:6, 1] = True
    np.testing.assert_array_equal(near, expected)
