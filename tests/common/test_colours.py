import numpy as np
from synthseg_common.colours import colour_of, label_colours, paint_labels


def test_colours_are_freesurfers_and_others_differ() -> None:
    colours = label_colours([0, 2, 41, 17, 1000, 1001])
    assert colours[0].tolist() == [0, 0, 0]
    assert colours[1].tolist() == colours[2].tolist() == [245, 245, 245]
    assert colours[3].tolist() == [220, 216, 20]
    assert len({tuple(colour) for colour in colours[3:].tolist()}) == 3


def test_the_sides_of_the_pallidum_differ_as_they_do_in_freesurfer() -> None:
    assert label_colours([13, 52]).tolist() == [[12, 48, 255], [13, 48, 255]]


def test_labels_of_other_anatomies_have_colours_of_their_own() -> None:
    colours = {colour_of(v) for v in range(3000, 3036)}
    assert len(colours) > 30
    assert all(0 <= c <= 255 for colour in colours for c in colour)


def test_painting_keeps_the_place_of_labels() -> None:
    labels = np.array([[0, 17], [2, 0]])
    painted = paint_labels(labels)
    assert painted.shape == (2, 2, 3)
    assert painted[0, 1].tolist() == [220, 216, 20]
    assert painted[1, 1].tolist() == [0, 0, 0]
