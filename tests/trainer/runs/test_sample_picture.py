import numpy as np
from synthseg_common.colours import label_colours
from synthseg_trainer.runs.sample_picture import sample_picture


def test_image_target_and_answer_stand_side_by_side() -> None:
    image = np.linspace(0, 5, 64 * 66 * 68, dtype=np.float32).reshape(64, 66, 68)
    target = np.zeros((64, 66, 68), int)
    target[20:40, 20:40, 20:40] = 17
    answer = np.where(target == 17, 53, 0)
    picture = sample_picture(image, target, answer + (answer == 53) * 1)
    assert picture.dtype == np.uint8
    height, width, _ = picture.shape
    third = width // 3
    middle = picture[:, third : 2 * third].reshape(-1, 3)
    right = picture[:, 2 * third :].reshape(-1, 3)
    seventeen, other = label_colours([17, 54])
    assert (middle == seventeen).all(axis=1).sum() == (right == other).all(axis=1).sum() == 3 * 400
    assert not (middle == other).all(axis=1).any()
    assert picture[:, :third].max() == 255
    assert height % 3 == 0


def test_small_volumes_are_enlarged_and_a_constant_image_is_black() -> None:
    empty = np.zeros((8, 8, 8), int)
    picture = sample_picture(np.full((8, 8, 8), 3.0), empty, empty)
    assert picture.max() == 0
    assert min(picture.shape[:2]) > 3 * 60
