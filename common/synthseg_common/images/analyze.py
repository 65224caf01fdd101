"""Analyze 7.5 and SPM pairs, as nibabel reads them: a format that does not say how a head lies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.filename_parser import types_filenames
from nibabel.imageglobals import logger as nibabel_log

from synthseg_common.errors import ImageError, one_line
from synthseg_common.images.header import ImageHeader
from synthseg_common.images.placement import ALIGNED, Placement, is_usable, refuse_voxel_sizes

# Stays a global, as what it guards is one: nibabel's log is the whole process's, and only one
# reader may keep it quiet at a time.
_TURN = threading.Lock()
_SIDES = "Analyze files do not say how the head lies: left and right may be swapped"


def parse_analyze(path: Path, data_path: Path) -> ImageHeader:
    """Reads a header by either half of a pair.

    Raises:
        ImageError: It is none, or contradicts itself.
    """
    matrix = _matrix_of(path)
    try:
        with _quiet():
            image: Any = nib.load(path)
            header = image.header
            notes = [*([] if matrix else [_SIDES]), *_oddities(path, header)]
            shape = tuple(int(n) for n in image.shape)
            affine = np.array(image.affine, np.float64)
            dtype = header.get_data_dtype()
            slope, intercept = header.get_slope_inter()
            offset = int(header.get_data_offset())
    except ImageFileError as error:
        raise ImageError(
            f"{path}: its content is not what its name promises: {one_line(error)}."
        ) from error
    except Exception as error:  # whatever a decoder of broken bytes raises
        among = f" with the matrix in {matrix.name}" if matrix else ""
        raise ImageError(f"{path}: cannot be read{among}: {one_line(error)}.") from error
    if not is_usable(affine):
        raise ImageError(
            f"{path}: its affine is singular or not finite (voxels without a volume): mend the "
            "header."
        )
    refuse_voxel_sizes(path, affine)
    placement = Placement.of(affine, ALIGNED)
    scale = 1.0 if slope is None else float(slope)
    added = 0.0 if intercept is None else float(intercept)
    return ImageHeader(
        path, data_path, "analyze", shape, dtype, offset, scale, added, placement, 0, tuple(notes)
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps nibabel from telling on standard error what is told with the file's name here."""
    with _TURN:
        before = nibabel_log.disabled
        nibabel_log.disabled = True
        try:
            yield
        finally:
            nibabel_log.disabled = before


class _Collector(logging.Logger):
    """Takes what nibabel says about a header."""

    def __init__(self) -> None:
        super().__init__("header")
        self.said: list[str] = []

    def log(self, level: int, msg: object, *args: object, **_: Any) -> None:
        """Keeps a message; of what is sound nibabel tells too, at level 0 and without words."""
        if level:
            self.said.append(str(msg) % args if args else str(msg))


def _matrix_of(path: Path) -> Path | None:
    """The file in which SPM says how the head lies, if there is one."""
    matrix = Path(parts_of_pair(path)["mat"])
    return matrix if matrix.exists() and matrix.stat().st_size else None


def parts_of_pair(path: Path) -> dict[str, str]:
    """File names of header, image and SPM's matrix (`mat`) by that of any of them."""
    kinds = (("image", ".img"), ("header", ".hdr"), ("mat", ".mat"))
    return types_filenames(str(path), kinds, (".gz",))


def _oddities(path: Path, loaded: Any) -> list[str]:
    """What nibabel mends in a header as it stands in the file."""
    from nibabel.openers import ImageOpener

    with ImageOpener(parts_of_pair(path)["header"]) as stream:
        raw = type(loaded).from_fileobj(stream, check=False)
    collector = _Collector()
    raw.check_fix(collector, error_level=100)
    return collector.said
