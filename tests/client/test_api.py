from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from loading import load_image
from synthseg_client import open_session, segment, segment_many
from synthseg_client.calls.session import Session
from synthseg_client.errors import ClientError, ScanError
from synthseg_client.geometry.grids import Prepared, prepare
from synthseg_client.inputs.scans import Scan
from synthseg_client.segmentation import one_scan
from synthseg_client.segmentation.result import Segmentation


def test_a_file_gives_arrays_and_volumes(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    result = segment(save_scan(tmp_path / "s.nii.gz"), session)
    assert result.labels.dtype == np.int32
    assert set(np.unique(result.labels)) == {0, 2, 24, 41}
    assert list(result.volumes) == [
        "total intracranial", "left white matter", "csf", "right white matter"
    ]  # fmt: skip
    assert result.was_resampled
    assert result.resampled.shape == result.labels.shape
    assert set(result.seconds) == {"prepare", "server", "cleanup"}


def test_an_array_is_segmented_like_its_file(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:

    path = save_scan(tmp_path / "s.nii.gz")
    image = load_image(path)
    from_array = segment(image.get_fdata(), session, affine=image.affine)
    np.testing.assert_array_equal(from_array.labels, segment(path, session).labels)


def test_what_is_no_scan_is_refused(session: Session) -> None:
    with pytest.raises(ScanError, match="three dimensions"):
        segment(np.zeros((4, 5)), session)
    with pytest.raises(ScanError, match="every voxel"):
        segment(np.zeros((9, 9, 9)), session)


def test_many_scans_come_in_order_with_their_errors(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    paths = [save_scan(tmp_path / f"s{i}.nii.gz", seed=i) for i in range(4)]
    paths.insert(2, tmp_path / "missing.nii.gz")
    found = list(segment_many(iter(paths), session, jobs=3))
    assert [path for path, _ in found] == paths
    assert isinstance(found[2][1], ClientError)
    assert all(isinstance(r, Segmentation) for i, (_, r) in enumerate(found) if i != 2)


def test_a_defect_in_one_of_many_scans_does_not_stop_the_rest(
    session: Session,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = [save_scan(tmp_path / f"s{i}.nii.gz", seed=i) for i in range(3)]

    def fails_once(scan: Scan, voxel_mm: float) -> Prepared:
        if scan.path == paths[1]:
            raise IndexError("out of bounds")
        return prepare(scan, voxel_mm)

    monkeypatch.setattr(one_scan, "prepare", fails_once)
    found = dict(segment_many(paths, session))
    assert [isinstance(found[p], Segmentation) for p in paths] == [True, False, True]
    assert str(found[paths[1]]) == f"{paths[1]}: unexpected error IndexError: out of bounds"
    failed = found[paths[1]]
    assert isinstance(failed, ClientError)
    assert isinstance(failed.__cause__, IndexError)


def test_many_scans_may_be_left_early(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    paths = [save_scan(tmp_path / f"s{i}.nii.gz") for i in range(3)]
    for _ in segment_many(paths, session):
        break


def test_one_session_serves_several_threads(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path = save_scan(tmp_path / "s.nii.gz")
    with open_session(address) as session, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: segment(path, session).volumes, range(8)))
    assert all(r == results[0] for r in results)
