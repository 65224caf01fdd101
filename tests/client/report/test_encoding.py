from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from synthseg_client.report.encoding import as_base64, as_webp, mosaic, shrunk

RNG = np.random.default_rng(0)


def test_pictures_without_quality_keep_every_pixel() -> None:
    for shape in ((9, 12), (9, 12, 3)):
        picture = RNG.integers(0, 256, shape, np.uint8)
        read = np.asarray(Image.open(io.BytesIO(as_webp(picture))).convert("RGB"))
        np.testing.assert_array_equal(read[..., 0], picture.reshape(9, 12, -1)[..., 0])


def test_what_is_clear_stays_clear() -> None:
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[1, 2] = (9, 8, 7, 255)
    read = np.asarray(Image.open(io.BytesIO(as_webp(picture))))
    np.testing.assert_array_equal(read[..., 3], picture[..., 3])
    np.testing.assert_array_equal(read[1, 2], picture[1, 2])


def test_a_lossy_picture_is_smaller() -> None:
    picture = RNG.integers(0, 256, (64, 64), np.uint8)
    assert len(as_webp(picture, quality=20)) < len(as_webp(picture)) / 2


def test_base64_is_what_browsers_read() -> None:
    assert base64.b64decode(as_base64(b"\x00\xff")) == b"\x00\xff"


def test_a_smaller_picture_holds_means() -> None:
    np.testing.assert_array_equal(shrunk(np.array([[0, 100], [100, 200]], np.uint8), 1, 1), [[100]])


def test_slices_of_a_mosaic_stand_row_by_row() -> None:
    volume = RNG.integers(1, 256, (5, 7, 11), np.uint8)
    picture, columns = mosaic(volume)
    for z in range(11):
        row, column = divmod(z, columns)
        part = picture[row * 7 : (row + 1) * 7, column * 5 : (column + 1) * 5]
        np.testing.assert_array_equal(part, volume[:, :, z].T)
    assert picture.size >= volume.size
