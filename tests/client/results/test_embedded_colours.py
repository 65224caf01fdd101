from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from colour_tables import table_in
from loading import voxels_of
from synthseg_client.model import LabelTable
from synthseg_client.results.embedded_colours import (
    ColourEntry,
    Embedded,
    LabelFileForm,
    entries_of,
)
from synthseg_client.results.image_writing import LabelMapMaking, write_labels
from synthseg_common.images import Placement

TABLE = LabelTable((0, 2, 1001), ("background", "left white matter", "ctx-lh-bankssts"))
OWN = [
    (0, "background", 0, 0, 0, 0),
    (2, "left-white-matter", 245, 245, 245, 0),
    (1001, "ctx-lh-bankssts", 25, 100, 40, 0),
]
# More than is used, and enough that what follows lies elsewhere.
WHOLE = tuple(ColourEntry(n, f"label-{n}", n % 256, 1, 2, n % 7) for n in range(1500))
LABELS = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(np.int32)
NAMES = ("l.nii", "l.nii.gz", "l.mgz", "l.mgh")


def _write(path: Path, form: LabelFileForm) -> None:
    placement = Placement.of(np.diag([1.0, 2, 3, 1]))
    write_labels(path, LABELS, placement, LabelMapMaking("synthseg", TABLE, form))


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_list_goes_into_every_kind_of_image(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _write(path, LabelFileForm(dtype=np.dtype(np.int32), embedded=Embedded.ALL, colours=WHOLE))
    assert table_in(path) == [tuple(entry) for entry in WHOLE]
    voxels = voxels_of(path)
    assert voxels.dtype.newbyteorder("=") == np.int32
    np.testing.assert_array_equal(voxels, LABELS)


def test_another_reader_still_finds_the_image(tmp_path: Path) -> None:
    for name in ("l.nii", "l.nii.gz"):
        _write(tmp_path / name, LabelFileForm(embedded=Embedded.ALL, colours=WHOLE))
        image = sitk.ReadImage(str(tmp_path / name))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, LABELS)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_list_the_labels_used_have_freesurfers_colours(tmp_path: Path, name: str) -> None:
    _write(tmp_path / name, LabelFileForm(embedded=Embedded.ALL))
    assert table_in(tmp_path / name) == OWN


@pytest.mark.parametrize("name", NAMES)
def test_by_default_mgh_files_alone_hold_colours(tmp_path: Path, name: str) -> None:
    _write(tmp_path / name, LabelFileForm())
    assert table_in(tmp_path / name) == (OWN if ".mg" in name else None)


@pytest.mark.parametrize("name", NAMES)
def test_colours_can_be_left_out(tmp_path: Path, name: str) -> None:
    _write(tmp_path / name, LabelFileForm(embedded=Embedded.NONE))
    assert table_in(tmp_path / name) is None


def test_archives_hold_none(tmp_path: Path) -> None:
    _write(tmp_path / "l.npz", LabelFileForm(embedded=Embedded.ALL, colours=WHOLE))
    with np.load(tmp_path / "l.npz") as arrays:
        assert sorted(arrays) == ["affine", "vol_data"]


def test_names_become_one_word() -> None:
    assert [entry.name for entry in entries_of(TABLE)][1] == "left-white-matter"
