from __future__ import annotations

import json

from client_command import run_client


def test_status_tells_health_and_versions(address: str) -> None:
    facts = json.loads(run_client("status", "--json", "--server", address).output)
    assert facts["health"] == "SERVING"
    assert facts["versions"] == {"1": "AVAILABLE"}
    assert facts["labels"] == 4
