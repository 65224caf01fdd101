from __future__ import annotations

import pytest
from contract_server import ContractServer
from sessions import PATIENT, send_scan
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.session import Session
from synthseg_client.errors import ServerError, UnknownModelError


def test_another_model_of_the_server_is_asked_over_the_same_connection(session: Session) -> None:
    session.describe()
    same = session.of_model(ModelChoice(version=1))
    assert same.describe().title == "synthseg:1"
    session.close()
    with pytest.raises(ServerError, match="closed"):
        send_scan(same)


def test_a_model_that_was_never_there_is_not_waited_for_because_another_is(
    address: str,
) -> None:
    with Session(address, retry=PATIENT) as session:
        session.describe()
        with pytest.raises(UnknownModelError):
            session.of_model(ModelChoice(name="parcels")).describe()
        assert send_scan(session)[1].version == 1


def test_a_server_that_is_started_for_us_may_load_a_model_first(
    address: str, model: ContractServer
) -> None:
    with Session(address) as session:
        session.describe()
    assert model.patience_s < 61
    with Session(address, revive=lambda: False) as session:
        session.describe()
        assert 600 < model.patience_s < 901
        session.of_model(ModelChoice(version=1)).describe()
        assert 600 < model.patience_s < 901
