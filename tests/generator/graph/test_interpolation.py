import numpy as np
from keras import ops
from synthseg_generator.graph.interpolation import (
    enlarge,
    make_linear_weights,
    place_enlarged,
    sample_linear,
    sample_nearest,
)


def test_ties_round_to_even() -> None:
    line = np.arange(4, dtype=np.uint8).reshape(4, 1, 1)
    places = np.array([[0.5, 0, 0], [1.5, 0, 0], [2.5, 0, 0]], np.float32)
    assert ops.convert_to_numpy(sample_nearest(line, places, line.shape)).tolist() == [0, 2, 2]


def test_interpolation_weights_sum_to_one_and_clamp() -> None:
    weights = ops.convert_to_numpy(make_linear_weights(np.array([-1.0, 0.25, 9.0], np.float32), 3))
    np.testing.assert_allclose(weights, [[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.0, 0.0, 1.0]])


def test_enlarging_a_ramp_keeps_it_a_ramp() -> None:
    ramp = np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1)
    weights = [make_linear_weights(place_enlarged(n, m), m) for n, m in ((8, 4), (1, 1), (1, 1))]
    enlarged = ops.convert_to_numpy(enlarge(ramp, weights)).ravel()
    np.testing.assert_allclose(enlarged, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3])


def test_linear_lookup_at_voxels_is_the_volume() -> None:
    volume = np.random.default_rng(1).random((3, 4, 5, 2), np.float32)
    places = np.stack(np.meshgrid(*map(np.arange, (3, 4, 5)), indexing="ij"), -1).astype(np.float32)
    looked_up = ops.convert_to_numpy(sample_linear(ops.convert_to_tensor(volume), places))
    np.testing.assert_allclose(looked_up, volume)
