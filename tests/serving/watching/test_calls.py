"""What is noted of the request that a thread answers."""

from __future__ import annotations

import pytest
from synthseg_serving.watching.calls import Call, answering, note, stage


def test_stages_are_timed_and_told_while_they_last() -> None:
    moves: list[str] = []
    call = Call(moved=moves.append)
    with answering(call):
        note(model="m", version=3, signature="s")
        with stage("decode"):
            note(voxels=8)
        with pytest.raises(ConnectionError), stage("queue"):
            raise ConnectionError
        with stage("decode"):
            pass
    assert moves == ["decode", "", "queue", "", "decode", ""]
    assert set(call.seconds) == {"decode", "queue"}
    assert (call.model, call.version, call.signature, call.voxels) == ("m", 3, "s", 8)


def test_nothing_is_noted_where_nobody_watches() -> None:
    note(model="m")
    with stage("decode"):
        pass
