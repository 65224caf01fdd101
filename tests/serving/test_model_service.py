"""Status and reload, as a caller sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from server_calls import QUICK, Calls, Running, refused, version_of
from stand_in import BegunRun
from synthseg_serving.manager import State
from synthseg_serving.versions import ModelConfig


def test_reload_that_cannot_be_served_changes_nothing(
    live: tuple[Calls, Path], tmp_path: Path
) -> None:
    calls, folder = live
    (tmp_path / "empty").mkdir()
    good = {"name": "live", "base_path": str(folder), "model_platform": "tensorflow"}
    ghost = {**good, "name": "ghost"}
    missing = str(tmp_path / "missing")
    code, details = refused(lambda: calls.reload(good, {**ghost, "base_path": missing}))
    assert (code, missing in details) == ("NOT_FOUND", True)
    code, details = refused(
        lambda: calls.reload(good, {**ghost, "base_path": str(tmp_path / "empty")})
    )
    assert code == "NOT_FOUND"
    assert "holds no version" in details
    assert version_of(calls) == 1
    calls.reload(good)
    assert version_of(calls) == 1


def test_status_and_label_table_answer_beside_a_long_request(
    start: Callable[..., Running],
    synth_config: Callable[..., ModelConfig],
    synth_dir: Path,
    begin_long_run: Callable[[Calls, Path], BegunRun],
) -> None:
    calls = start(synth_config(synth_dir), waiting=0, **QUICK).calls
    run, future = begin_long_run(calls, synth_dir)
    assert calls.status()[0] == (2, State.AVAILABLE)
    calls.metadata()
    assert not future.done()
    run.end()
    assert future.result().model_spec.version.value == 2
