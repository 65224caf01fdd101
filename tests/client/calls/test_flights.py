from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from contract_server import ContractServer, Mortal
from sessions import IMAGE, PATIENT, send_scan
from synthseg_client.calls.session import Session
from synthseg_common.arrays import AnyArray

Inputs = dict[str, AnyArray]


def test_suspects_are_sent_alone_and_not_blamed(server: Mortal, model: ContractServer) -> None:
    """Three scans are at the server when it dies; then one at a time is."""

    def die_and_come_back() -> None:
        server.die()
        server.start()

    together = threading.Barrier(3, action=die_and_come_back)
    lock = threading.Lock()
    at_once: list[Inputs] = []
    most: list[int] = []

    def arrived(inputs: Inputs) -> None:
        if server.starts == 1:
            together.wait(60)
        else:
            with lock:
                at_once.append(inputs)
                most.append(len(at_once))

    def tamper(outputs: Inputs) -> Inputs:
        with lock:
            if at_once:
                at_once.pop()
        return outputs

    model.arrived, model.tamper = arrived, tamper
    with Session(server.address, retry=PATIENT) as session, ThreadPoolExecutor(3) as pool:
        session.describe()
        list(pool.map(lambda factor: send_scan(session, IMAGE * factor), (1, 2, 3)))
    assert len(model.requests) == 6
    assert most == [1, 1, 1]
