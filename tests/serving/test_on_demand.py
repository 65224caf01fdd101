"""Models that are loaded when they are first asked for."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_calls import Calls, Running, refused
from stand_in import BegunRun
from synthseg_serving.manager import State
from synthseg_serving.on_demand import OnDemandManager
from synthseg_serving.servable import Servable
from synthseg_serving.versions import ModelConfig

ONES = np.ones((2, 2, 2), np.float32)
QUICK = {"poll_s": 0.05, "on_demand": True}


@pytest.fixture(scope="session")
def one_version(
    save_synth: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("one") / "synth"
    folder.mkdir()
    save_synth(folder, 1)
    return folder


@pytest.fixture
def folder(one_version: Path, tmp_path: Path) -> Path:
    """Base path of a model of the test's own."""
    return Path(shutil.copytree(one_version, tmp_path / "synth"))


def listed(*folders: Path) -> list[ModelConfig]:
    return [ModelConfig(name=f"m{n}", base_path=folder) for n, folder in enumerate(folders)]


def test_model_is_listed_at_the_start_and_loaded_for_the_first_request(
    start: Callable[..., Running], folder: Path, one_version: Path
) -> None:
    running = start(*listed(folder, one_version), **QUICK)
    calls, other = running.calls, Calls(running.calls.channel, "m1")
    assert calls.status() == other.status() == [(1, State.START)]
    assert running.server.manager.available("m0") == [1]
    assert running.server.manager.held_bytes() == 0
    assert calls.predict(image=ONES)["volumes"].tolist() == [8]
    assert calls.status() == [(1, State.AVAILABLE)]
    assert other.status() == [(1, State.START)]
    assert running.server.manager.held_bytes() > 0
    other.metadata()
    assert other.status() == [(1, State.AVAILABLE)]


def test_new_versions_of_what_nobody_asked_for_are_left_alone(
    start: Callable[..., Running],
    folder: Path,
    one_version: Path,
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
) -> None:
    asked = Path(shutil.copytree(one_version, folder.parent / "asked"))
    calls = start(*listed(asked, folder), **QUICK).calls
    other = Calls(calls.channel, "m1")
    calls.predict(image=ONES)
    for base in (folder, asked):
        save_synth(base, 2)
    assert eventually(lambda: calls.status()[0] == (2, State.AVAILABLE))
    assert other.status() == [(1, State.START)]
    # The newest there is when it is asked for.
    assert other.predict(image=2 * ONES)["labels"].max() == 4
    assert other.status()[0] == (2, State.AVAILABLE)


def test_model_that_does_not_load_is_refused_until_its_folder_changes(
    start: Callable[..., Running], folder: Path, one_version: Path
) -> None:
    graph = folder / "1" / "saved_model.pb"
    whole = graph.read_bytes()
    graph.write_bytes(b"no model")
    calls = start(*listed(folder, one_version), **QUICK).calls
    for _ in range(2):
        code, details = refused(lambda: calls.predict(image=ONES))
        assert code == "FAILED_PRECONDITION"
        assert f"{folder}/1: the model does not load" in details
    assert calls.status() == [(1, State.END)]
    assert Calls(calls.channel, "m1").predict(image=ONES)["volumes"].tolist() == [8]
    graph.write_bytes(whole)
    assert calls.predict(image=ONES)["volumes"].tolist() == [8]
    assert calls.status() == [(1, State.AVAILABLE)]


def test_folder_that_went_away_is_told(start: Callable[..., Running], folder: Path) -> None:
    calls = start(*listed(folder), **QUICK).calls
    folder.rename(folder.with_name("away"))
    code, details = refused(lambda: calls.predict(image=ONES))
    assert code == "NOT_FOUND"
    assert str(folder) in details
    folder.with_name("away").rename(folder)
    assert calls.predict(image=ONES)["volumes"].tolist() == [8]


def test_requests_wait_for_one_load_while_other_models_answer(
    start: Callable[..., Running],
    folder: Path,
    one_version: Path,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., bool],
) -> None:
    running = start(*listed(folder, one_version), poll_s=0, on_demand=True)
    slow, quick = running.calls, Calls(running.calls.channel, "m1")
    quick.predict(image=ONES)
    loads, go_on = [], threading.Event()
    load = Servable.__init__

    def slowly(servable: Servable, path: Path, *given: Any) -> None:
        loads.append(path)
        assert go_on.wait(120)
        load(servable, path, *given)

    monkeypatch.setattr(Servable, "__init__", slowly)
    futures = [
        slow.prediction.Predict.future(slow.request(image=ONES), timeout=120) for _ in range(3)
    ]
    assert eventually(lambda: bool(loads))
    assert slow.status() == [(1, State.LOADING)]
    assert quick.predict(image=ONES)["volumes"].tolist() == [8]
    assert not any(future.done() for future in futures)
    go_on.set()
    assert [future.result().model_spec.version.value for future in futures] == [1] * 3
    assert loads == [folder / "1"]


def test_reload_keeps_what_is_loaded_and_loads_nothing(
    start: Callable[..., Running],
    one_version: Path,
    synth_entry: Callable[..., dict[str, object]],
    begin_long_run: Callable[[Calls, Path], BegunRun],
) -> None:
    calls = start(*listed(one_version), **QUICK).calls
    run, future = begin_long_run(calls, one_version)
    entry = synth_entry(one_version, stable=1)
    calls.reload({**entry, "name": "m0"}, {**entry, "name": "new"})
    assert calls.status() == [(1, State.AVAILABLE)]
    new = Calls(calls.channel, "new")
    assert new.status() == [(1, State.START)]
    run.end()
    assert future.result().model_spec.version.value == 1
    request = new.request(image=ONES)
    request.model_spec.version_label = "stable"
    assert new.prediction.Predict(request, timeout=120).model_spec.version.value == 1
    code, _ = refused(lambda: calls.reload({**synth_entry(one_version, stable=7), "name": "m0"}))
    assert code == "FAILED_PRECONDITION"


def test_model_that_is_not_listed_is_unknown(folder: Path) -> None:
    manager = OnDemandManager(threads=1)
    manager.apply(listed(folder))
    assert manager.available("m0") == [1]
    assert manager.available("other") == []
    manager.close()
