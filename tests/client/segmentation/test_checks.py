from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from contract_server import ContractServer
from sessions import segment_into
from synthseg_client import open_session, segment
from synthseg_client.calls.session import Session
from synthseg_common import contract


def test_a_result_without_any_structure_is_no_result(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    model.tamper = lambda outputs: {
        **outputs,
        contract.FOREGROUND: np.zeros_like(outputs[contract.FOREGROUND]),
        contract.POSTERIORS: outputs[contract.POSTERIORS][:0],
    }
    outcomes = segment_into(session, scans, tmp_path)
    assert all("nothing was found" in o.error for o in outcomes)


def test_volumes_of_another_anatomy_have_no_intracranial_total_and_need_not_make_a_brain(
    model: ContractServer, address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    from synthseg_client.segmentation.checks import check_result

    path = save_scan(tmp_path / "s.nii.gz")
    with open_session(address) as session:
        assert "no plausible brain" in " ".join(check_result(segment(path, session)))
    model.info = {"anatomy": "abdomen"}
    with open_session(address) as session:
        result = segment(path, session)
    assert check_result(result) == []
    assert "total intracranial" not in result.volumes
