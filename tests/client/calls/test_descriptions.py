from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner
from contract_server import NAMES, VALUES, ContractServer
from sessions import (
    PATIENT,
    Once,
    segment_folder,
    send_scan,
    session_with,
)
from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.session import Session
from synthseg_client.cli import main
from synthseg_client.errors import (
    AnswerError,
    ModelError,
    UnknownModelError,
    UsageError,
)
from synthseg_common import contract


def test_the_label_table_comes_from_the_server(session: Session) -> None:
    described = session.describe()
    assert described.label_values.tolist() == list(VALUES)
    assert described.label_names == NAMES
    assert described.title == "synthseg:1"
    assert described.has_csf


def test_a_few_bytes_of_a_description_stand_for_no_more_labels_than_there_can_be(
    session: Session, model: ContractServer
) -> None:
    model.declared = {contract.FLIP_CHANNELS: [2**24]}
    with pytest.raises(AnswerError, match="stand for 16777216, expected 65536 at most"):
        session.describe()


def test_labels_and_table_stay_together_when_the_version_changes(
    session: Session, model: ContractServer
) -> None:
    assert send_scan(session)[1].version == 1
    model.version = 2
    _, answered = send_scan(session)
    assert answered.version == 2


def test_every_answer_comes_with_the_table_of_the_version_that_made_it() -> None:
    models = [ContractServer(version=v, names=(*NAMES[:-1], f"of {v}")) for v in (1, 2, 3)]
    with session_with(*models) as session, ThreadPoolExecutor(4) as pool:
        told = [model for _, model in pool.map(lambda _: send_scan(session), range(24))]
    assert all(model.label_names[-1] == f"of {model.version}" for model in told)
    # No scan travels twice.
    assert [len(m.requests) for m in models] == [
        sum(model.version == m.version for model in told) for m in models
    ]


def test_a_version_that_no_server_has_is_told(address: str) -> None:
    choice = ModelChoice(version=7)
    with Session(address, choice) as session, pytest.raises(ModelError, match="synthseg, 7"):
        send_scan(session)


def test_a_model_that_goes_away_for_a_while_is_waited_for(
    address: str, model: ContractServer, scans: Path
) -> None:
    """As in a roll-out, or when a configuration is replaced."""

    def go(*_: object) -> None:
        model.loading = True
        model.failures = [grpc.StatusCode.NOT_FOUND]

    def come(*_: object) -> None:
        model.loading = False

    model.arrived = Once(go, at=2)
    model.failure_details = "Servable not found for request: Latest(synthseg)"
    with Session(address, retry=PATIENT, tell=come) as session:
        outcomes = segment_folder(session, scans, jobs=1)
    assert {o.status for o in outcomes} == {"done"}, [o.error for o in outcomes]


def test_a_model_that_is_loading_is_waited_for_before_the_first_scan(
    address: str, model: ContractServer, scans: Path
) -> None:
    model.loading, model.states = True, {1: wire.ModelVersionStatus.LOADING}

    def come(*_: object) -> None:
        model.loading, model.states = False, None

    with Session(address, retry=PATIENT, tell=come) as session:
        assert {o.status for o in segment_folder(session, scans)} == {"done"}


@pytest.mark.parametrize("choice", ["other", "other:1", "other@stable", "synthseg:7", "synthseg@x"])
def test_a_model_that_is_not_served_is_the_callers_mistake(
    address: str, model: ContractServer, scans: Path, choice: str
) -> None:
    out = scans.parent / "new" / "out"
    words = ["segment", "--i", str(scans), "--o", str(out), "--server", address, "--model", choice]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 2, run.output
    assert f"has no model {choice}" in run.output
    assert len(run.output.splitlines()) == 1
    assert not model.requests
    assert not out.parent.exists()


def test_a_model_that_is_not_served_is_an_error_of_both_kinds(address: str) -> None:
    with Session(address, ModelChoice(name="other")) as session:
        with pytest.raises(UnknownModelError, match="another name") as raised:
            session.describe()
        assert isinstance(raised.value, UsageError)
