from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from contract_server import ContractServer
from loading import load_nifti
from sessions import segment_into
from synthseg_client import open_session, segment
from synthseg_client.calls.session import Session


def test_a_version_of_another_voxel_size_gets_its_scans_prepared_anew(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    session.describe()
    model.version, model.info = 2, {"voxel_size_mm": 2.0}
    outcomes = segment_into(session, scans, tmp_path)
    assert {o.status for o in outcomes} == {"done"}
    labels = load_nifti(tmp_path / "out/s0_synthseg.nii.gz")
    np.testing.assert_allclose(labels.header.get_zooms(), 2)


def test_a_slab_thinner_than_the_search_for_the_head_is_segmented(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    path = save_scan(tmp_path / "slab.nii.gz", (250, 250, 5), np.diag([1, 1, 0.5, 1]))
    assert segment(path, session).labels.shape[:2] == (250, 250)


def test_a_model_of_another_anatomy_is_asked_for_all_of_the_scan_at_its_own_voxel_size(
    model: ContractServer, address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    model.info = {"anatomy": "abdomen", "voxel_size_mm": 2.0}
    path = save_scan(tmp_path / "s.nii.gz", (40, 410, 36), np.diag([2.0, 1.0, 2.0, 1.0]))
    with open_session(address) as session:
        result = segment(path, session)
    (request,) = model.requests
    assert request["image"].shape == (40, 205, 36)
    assert request["min_size"].tolist() == [32, 32, 32]
    np.testing.assert_allclose(np.diag(result.affine)[:3], 2)
    assert result.labels.any()
