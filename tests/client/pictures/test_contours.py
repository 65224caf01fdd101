import numpy as np
from synthseg_client.pictures.contours import edges, paint_contours


def test_edges_are_labelled_pixels_beside_another_label() -> None:
    labels = np.array([[0, 0, 0, 0], [0, 3, 3, 3], [0, 3, 3, 3], [0, 3, 3, 3]])
    expected = [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]]
    np.testing.assert_array_equal(edges(labels), np.array(expected, bool))


def test_both_sides_of_a_border_are_drawn_in_their_colours() -> None:
    picture = paint_contours(np.array([[17, 17, 18, 18]]))
    np.testing.assert_array_equal(picture[0, :, 3], [0, 255, 255, 0])
    np.testing.assert_array_equal(picture[0, 1, :3], [220, 216, 20])
    np.testing.assert_array_equal(picture[0, 2, :3], [103, 255, 255])


def test_dark_colours_are_lifted_so_that_they_can_be_seen() -> None:
    picture = paint_contours(np.array([[0, 24, 0]]))
    np.testing.assert_array_equal(picture[0, 1], [170, 170, 170, 255])


def test_nothing_labelled_is_nothing_drawn() -> None:
    assert not paint_contours(np.zeros((3, 3), np.int32)).any()
