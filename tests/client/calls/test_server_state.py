from __future__ import annotations

import pytest
from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.methods import Method
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    ModelError,
)
from synthseg_common import contract


def test_status_health_and_metadata_are_told(session: Session) -> None:
    assert session.status() == {1: "AVAILABLE"}
    assert session.health() == "SERVING"
    assert contract.POSTERIORS in session.metadata()[contract.SEGMENT_SIGNATURE]["outputs"]


def test_a_server_of_another_kind_is_told(address: str) -> None:
    other = Method("/some.Other/Call", wire.GetModelStatusRequest, wire.GetModelStatusResponse)
    with Session(address) as session, pytest.raises(ModelError, match="no TensorFlow model server"):
        session._connection.call(other, wire.GetModelStatusRequest(), 5)
