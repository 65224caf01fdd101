from __future__ import annotations

import json

from client_command import run_client


def test_labels_prints_the_table(address: str) -> None:
    run = run_client("labels", "--server", address)
    assert run.output.splitlines()[1:3] == ["0\tbackground\t0\t0", "2\tleft white matter\t1\t41"]
    table = json.loads(run_client("labels", "--json", "--server", address).output)
    assert [row["value"] for row in table["labels"]] == [0, 2, 24, 41]
