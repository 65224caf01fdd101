"""Scans beside label maps: paired by name, on the same voxels, or refused."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from synthseg_generator.cli import main
from synthseg_generator.errors import LabelError, StoreError
from synthseg_generator.label_table import read_label_table
from synthseg_generator.scans.stored_scans import (
    GROUP,
    add_scans,
    fingerprint_scans,
    list_scans,
    load_scan,
)
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import LabelStore, open_store

AFFINE = np.array([[2.0, 0, 0, -7], [0, 2, 0, 3], [0, 0, 2, 1], [0, 0, 0, 1]])
SHAPE = (6, 7, 8)


def save(path: Path, volume: NDArray[Any], affine: NDArray[np.float64] = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, affine), path)


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    """Two maps, `one_dseg` and `two_dseg`."""
    (tmp_path / "labels.yaml").write_text("values: [0, 1]\nn_neutral: 2\nanatomy: box\n")
    for name in ("one", "two"):
        labels = np.zeros(SHAPE, np.uint8)
        labels[2:4] = 1
        save(tmp_path / "maps" / f"{name}_dseg.nii.gz", labels)
    ingest(tmp_path / "maps", tmp_path / "s.zarr", read_label_table(tmp_path / "labels.yaml"))
    return open_store(tmp_path / "s.zarr")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """`one_dseg`, a ramp along x, and as a scanner may store it: left to right reversed."""
    ramp = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None, None], SHAPE)
    turned = AFFINE @ np.array([[-1.0, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    save(tmp_path / "scans" / "one_dseg.nii.gz", np.ascontiguousarray(ramp[::-1]), turned)
    return tmp_path / "scans"


def test_a_scan_lies_beside_its_map_in_its_orientation(store: LabelStore, scans: Path) -> None:
    report = add_scans(scans, store)
    assert (report.written, report.kept, report.lacking) == (("one_dseg",), (), ("two_dseg",))
    scan = load_scan(store, "one_dseg")
    assert (scan.shape, scan.dtype) == ((*SHAPE, 1), np.dtype(np.uint16))
    np.testing.assert_allclose(scan[:, 0, 0, 0] / 65535, np.linspace(0, 1, 6), atol=1e-4)
    assert open_store(store.path).names == store.names


def test_run_again_it_adds_what_is_new(store: LabelStore, scans: Path) -> None:
    before = fingerprint_scans(store)
    add_scans(scans, store)
    first = fingerprint_scans(store)
    save(scans / "two_dseg.nii.gz", np.random.default_rng(0).random((*SHAPE, 1)))
    report = add_scans(scans, store)
    assert (report.written, report.kept, report.lacking) == (("two_dseg",), ("one_dseg",), ())
    assert len({before, first, fingerprint_scans(store)}) == 3
    assert [s.channels for s in list_scans(store).values()] == [1, 1]


def test_names_may_differ_in_their_ends(store: LabelStore, scans: Path) -> None:
    (scans / "one_dseg.nii.gz").rename(scans / "one_T1w.nii.gz")
    save(scans / "one_T2w.nii.gz", np.ones(SHAPE))
    report = add_scans(scans, store, scan_suffix="_T1w", map_suffix="_dseg")
    assert report.written == ("one_dseg",)


def test_several_channels_are_scaled_each(store: LabelStore, tmp_path: Path) -> None:
    volume = np.random.default_rng(0).random((*SHAPE, 2)) * [1, 1000]
    save(tmp_path / "two" / "one_dseg.nii.gz", volume)
    add_scans(tmp_path / "two", store)
    assert load_scan(store, "one_dseg").reshape(-1, 2).max(axis=0).tolist() == [65535, 65535]


def moved(shift: Sequence[float]) -> NDArray[np.float64]:
    affine = AFFINE.copy()
    affine[:3, 3] += shift
    return affine


@pytest.mark.parametrize(
    ("name", "volume", "affine", "complaint"),
    [
        ("three", np.ones(SHAPE), AFFINE, "belongs to no label map.*has no three"),
        ("one_dseg", np.ones((6, 7, 9)), AFFINE, "6 x 7 x 9 voxels .*label map one_dseg 6 x 7 x 8"),
        ("one_dseg", np.ones(SHAPE), moved([0, 3, 0]), "lies elsewhere.* up to 3 mm apart"),
        ("one_dseg", np.ones(SHAPE), np.diag([2.2, 2, 2, 1]), "lies elsewhere"),
        ("one_dseg", np.ones(SHAPE), AFFINE, "shows nothing"),
        ("one_dseg", np.full(SHAPE, np.nan), AFFINE, "not finite"),
        ("one_dseg", np.ones((*SHAPE, 90)), AFFINE, "expected one volume"),
    ],
)
def test_what_is_no_scan_of_the_map_is_refused(
    store: LabelStore,
    tmp_path: Path,
    name: str,
    volume: NDArray[Any],
    affine: NDArray[np.float64],
    complaint: str,
) -> None:
    path = tmp_path / "odd" / f"{name}.nii.gz"
    save(path, volume, affine)
    with pytest.raises(LabelError, match=complaint) as caught:
        add_scans(path.parent, store)
    assert str(path) in str(caught.value)
    assert list_scans(store) == {}


def test_all_scans_that_do_not_fit_are_told_at_once_and_none_is_added(
    store: LabelStore, scans: Path
) -> None:
    save(scans / "three.nii.gz", np.ones(SHAPE))
    save(scans / "two_dseg.nii.gz", np.ones(SHAPE))
    save(scans / "one_dseg.nii", np.random.default_rng(0).random(SHAPE))
    (scans / "four.nii.gz").write_text("hello")
    with pytest.raises(LabelError) as caught:
        add_scans(scans, store)
    title, *lines = str(caught.value).splitlines()
    assert title == f"4 problems with the scans in {scans}:"
    for name, reason in {
        "three.nii.gz": "belongs to no label map",
        "four.nii.gz": "belongs to no label map",
        "one_dseg.nii.gz": "both belong to one_dseg",
        "two_dseg.nii.gz": "shows nothing",
    }.items():
        (line,) = (line for line in lines if line.startswith(f"  {scans / name} "))
        assert reason in line
    assert list_scans(store) == {}


def test_scans_on_other_grids_and_unreadable_ones_are_told_once_each(
    store: LabelStore, scans: Path
) -> None:
    save(scans / "one_dseg.nii.gz", np.ones((6, 7, 9)))
    (scans / "two_dseg.nii.gz").write_text("hello")
    with pytest.raises(LabelError) as caught:
        add_scans(scans, store)
    one, two = str(caught.value).splitlines()[1:]
    assert "one_dseg.nii.gz has 6 x 7 x 9 voxels" in one
    assert "two_dseg.nii.gz: is text" in two


def test_a_scan_that_was_not_fetched_is_told_with_the_remedy(
    store: LabelStore, scans: Path
) -> None:
    (path, *_others) = sorted(scans.iterdir())
    path.unlink()
    path.symlink_to(f".git/annex/objects/x/y/MD5E-s1--0/{path.name}")
    with pytest.raises(LabelError, match=rf"git-annex.*datalad get {path.name}"):
        add_scans(scans, store)


def test_another_scan_of_the_same_name_is_refused(store: LabelStore, scans: Path) -> None:
    add_scans(scans, store)
    save(scans / "one_dseg.nii.gz", np.random.default_rng(0).random(SHAPE))
    with pytest.raises(StoreError, match="differs from the scan of one_dseg"):
        add_scans(scans, store)


def test_a_map_without_a_scan_says_what_to_do(store: LabelStore) -> None:
    with pytest.raises(StoreError, match=r"map one_dseg has no scan.*add-scans"):
        load_scan(store, "one_dseg")


def test_a_scan_whose_data_is_lost_is_not_read_as_black(store: LabelStore, scans: Path) -> None:
    add_scans(scans, store)
    shutil.rmtree(Path(store.path) / GROUP / "one_dseg" / "c")
    with pytest.raises(StoreError, match=r"the data of the scan of one_dseg is missing"):
        load_scan(store, "one_dseg")


def test_the_command_says_which_maps_lack_a_scan(store: LabelStore, scans: Path) -> None:
    result = CliRunner().invoke(main, ["add-scans", str(scans), store.path])
    assert result.exit_code == 0, result.output
    assert "1 scans added, 0 were there.\n1 maps have no scan yet: two_dseg." in result.output
