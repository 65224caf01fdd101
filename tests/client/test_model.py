from __future__ import annotations

import pytest
from contract_server import ContractServer
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    ModelError,
)
from synthseg_common import contract


def test_a_model_of_another_contract_is_refused(session: Session, model: ContractServer) -> None:
    model.contract_version = 99
    with pytest.raises(ModelError, match="version 99 of the contract"):
        session.describe()


@pytest.mark.parametrize("told", ["many", 0, -1, True, 1.5])
def test_a_budget_that_is_no_number_of_voxels_is_the_models_fault(
    session: Session, model: ContractServer, told: bool | float | str
) -> None:
    model.info = {contract.MAX_VOXELS: told}
    with pytest.raises(ModelError, match="which is no number of voxels"):
        session.describe()
