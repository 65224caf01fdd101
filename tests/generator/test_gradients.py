import numpy as np
from keras import ops
from scipy.ndimage import sobel
from synthseg_generator.gradients import gradient_magnitude


def _magnitude(image):
    return ops.convert_to_numpy(gradient_magnitude(ops.convert_to_tensor(image)))


def test_a_constant_image_has_no_gradient_away_from_its_edge():
    assert not _magnitude(np.full((7, 8, 9, 2), 0.5, np.float32))[1:-1, 1:-1, 1:-1].any()


def test_a_slope_of_one_has_the_weight_of_the_filter():
    ramp = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None, None], (8, 7, 6, 1))
    np.testing.assert_allclose(_magnitude(ramp.copy())[1:-1, 1:-1, 1:-1], 32)


def test_magnitude_is_that_of_sobel_filters():
    image = np.random.default_rng(0).random((9, 8, 7)).astype(np.float32)
    parts = [sobel(image, axis, mode="constant") for axis in range(3)]
    expected = np.sqrt(np.sum(np.square(parts), axis=0))
    np.testing.assert_allclose(_magnitude(image[..., None])[..., 0], expected, atol=1e-4)
