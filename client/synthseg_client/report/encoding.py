"""Pictures as WebP, which browsers show offline and which is half the size of PNG and JPEG."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from synthseg_common.arrays import AnyArray

_METHOD = 4  # effort, 0 to 6: more takes twice the time for a few percent


def as_webp(picture: AnyArray, *, quality: int | None = None) -> bytes:
    """A picture as a WebP file.

    Args:
        picture: uint8 `[row, column]` grey, or `[row, column, 3 or 4]` in colours.
        quality: 0 to 100; None keeps every pixel as it is.
    """
    image = Image.fromarray(np.ascontiguousarray(picture))
    file = io.BytesIO()
    # Metadata of no kind is written.
    if quality is None:
        image.save(file, "WEBP", lossless=True, exact=False, method=_METHOD, quality=60)
    else:
        image.save(file, "WEBP", quality=quality, method=_METHOD)
    return file.getvalue()


def as_base64(data: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(data).decode("ascii")


def shrunk(picture: AnyArray, width: int, height: int) -> AnyArray:
    """A picture at a smaller size, every pixel the mean of those it stands for."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def mosaic(volume: AnyArray) -> tuple[AnyArray, int]:
    """The slices of a volume side by side, as one picture.

    Args:
        volume: uint8 `[x, y, z]`.

    Returns:
        uint8 `[row, column]`, slices along z row by row, each with rows along y and columns along
        x; and how many stand in a row.
    """
    nx, ny, nz = volume.shape
    columns = max(1, round(np.sqrt(nz * ny / nx)))
    rows = -(-nz // columns)
    picture = np.zeros((rows, columns, ny, nx), np.uint8)
    picture.reshape(-1, ny, nx)[:nz] = volume.transpose(2, 1, 0)
    return picture.transpose(0, 2, 1, 3).reshape(rows * ny, columns * nx), columns
