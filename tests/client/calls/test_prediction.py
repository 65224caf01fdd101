from __future__ import annotations

import numpy as np
import pytest
from contract_server import ContractServer
from sessions import IMAGE, MIN_SIZE, send_scan
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    AnswerError,
)
from synthseg_common import contract


def test_only_what_was_asked_for_travels(session: Session, model: ContractServer) -> None:
    answer, _ = send_scan(session)
    assert set(answer) == set(contract.EVIDENCE)
    (request,) = model.requests
    np.testing.assert_array_equal(request["image"], IMAGE)
    assert request["min_size"].tolist() == list(MIN_SIZE)
    assert request["flip"].item() is True


@pytest.mark.parametrize("name", [contract.LABELS, contract.TOP_PROBABILITY])
def test_a_few_bytes_stand_for_no_more_than_was_asked_for(
    session: Session, model: ContractServer, name: str
) -> None:
    """As a server could make its clients fill their memory."""
    session.describe()
    model.declared = {name: [1024, 1024, 1024]}
    with pytest.raises(AnswerError, match=f"{name} .* stand for 1073741824, expected"):
        session.segment(IMAGE, MIN_SIZE, flip=True, outputs=(name,))
