from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_images import AFFINE, LABELS, SHAPE, mgh
from synthseg_common.errors import ImageError
from synthseg_common.images.mgh import parse_mgh

PATH = Path("x.mgh")


def test_a_header_tells_shape_type_and_place() -> None:
    header = parse_mgh(PATH, mgh())
    assert (header.shape, header.offset, header.notes) == (SHAPE, 284, ())
    assert header.dtype == LABELS.dtype.newbyteorder(">")
    np.testing.assert_allclose(header.placement.affine, AFFINE, atol=1e-4)


def test_a_file_that_says_no_place_is_taken_as_coronal_and_it_is_said() -> None:
    def silent(header: Any) -> None:
        header["goodRASFlag"] = 0

    header = parse_mgh(PATH, mgh(silent))
    assert "RAS flag is 0" in header.notes[0]
    np.testing.assert_array_equal(header.placement.affine[:3, 0], [-1, 0, 0])


@pytest.mark.parametrize(
    ("first", "words"),
    [(mgh()[:200], "cut off"), (b"\0\0\0\2" + mgh()[4:], "no MGH file")],
    ids=["short", "version"],
)
def test_what_is_no_header_is_refused(first: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        parse_mgh(PATH, first)
