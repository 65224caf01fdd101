"""Versions that come, go, are broken or half there, and requests meanwhile."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from server_calls import QUICK, Calls, Running, version_of
from stand_in import BegunRun
from synthseg_serving.manager import ModelManager, State
from synthseg_serving.versions import ModelConfig, VersionPolicy


def test_new_version_replaces_the_old_one_without_a_gap(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
) -> None:
    calls, folder = live
    save_synth(folder, 2)
    # Every request on the way is answered, by one or the other.
    assert eventually(lambda: version_of(calls) == 2)
    assert eventually(lambda: calls.status() == [(2, State.AVAILABLE), (1, State.END)])
    shutil.rmtree(folder / "2")
    assert eventually(lambda: calls.status() == [(2, State.END), (1, State.AVAILABLE)])
    assert version_of(calls) == 1


def test_broken_version_leaves_the_old_one_serving(
    live: tuple[Calls, Path], eventually: Callable[..., bool]
) -> None:
    calls, folder = live
    (folder / "3.tmp").mkdir()
    (folder / "3.tmp" / "saved_model.pb").write_bytes(b"no model")
    (folder / "3.tmp").rename(folder / "3")
    assert eventually(lambda: calls.status()[0] == (3, State.END))
    assert calls.status()[1] == (1, State.AVAILABLE)
    assert version_of(calls) == 1


def test_vanished_folder_stops_nothing_and_is_told_once(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    calls, folder = live
    away = folder.rename(folder.with_name("away"))
    assert eventually(lambda: f"{folder} cannot be read" in caplog.text)
    assert version_of(calls) == 1
    time.sleep(5 * QUICK["poll_s"])
    away.rename(folder)
    assert eventually(lambda: f"{folder} can be read again" in caplog.text)
    assert caplog.text.count(f"{folder} cannot be read") == 1
    save_synth(folder, 2)
    assert eventually(lambda: version_of(calls) == 2)


def test_folder_that_vanishes_while_it_is_listed_stops_nothing(
    tmp_path: Path, save_synth: Callable[[Path, int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_synth(folder, 1)
    manager = ModelManager(threads=1)
    manager.apply([ModelConfig(name="synth", base_path=folder)])
    is_dir = Path.is_dir

    def too_late(path: Path) -> bool:
        if path.parent == folder and folder.exists():
            folder.rename(tmp_path / "away")
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", too_late)
    manager.poll()
    assert manager.available("synth") == [1]
    manager.close()


def test_version_that_is_copied_slowly_is_served_when_it_is_whole(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
    tmp_path: Path,
) -> None:
    calls, folder = live
    whole = save_synth(tmp_path, 2)
    (folder / "2").mkdir()
    assert eventually(lambda: calls.status()[0] == (2, State.END))
    shutil.copytree(whole, folder / "2", dirs_exist_ok=True)
    assert eventually(lambda: version_of(calls) == 2)


def test_folder_names_that_are_no_number_are_left_alone(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
    tmp_path: Path,
) -> None:
    calls, folder = live
    save_synth(tmp_path, 5).rename(folder / "5.tmp")
    save_synth(folder, 2)
    # Whoever saw 2 saw the other one too.
    assert eventually(lambda: calls.status() == [(2, State.AVAILABLE), (1, State.END)])


def test_only_the_chosen_versions_are_served(
    start: Callable[..., Running], synth_dir: Path
) -> None:
    policy = VersionPolicy(specific=(1,))
    calls = start(ModelConfig(name="synth", base_path=synth_dir, policy=policy)).calls
    assert calls.status() == [(1, State.AVAILABLE)]


def test_request_keeps_the_version_it_started_with(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    begin_long_run: Callable[[Calls, Path], BegunRun],
    eventually: Callable[..., bool],
) -> None:
    (calls, folder), (old, new) = live, (1, 2)
    run, future = begin_long_run(calls, folder)
    save_synth(folder, new)
    assert eventually(lambda: calls.status() == [(new, State.AVAILABLE), (old, State.UNLOADING)])
    assert not future.done()
    run.end()
    assert future.result().model_spec.version.value == old
    assert eventually(lambda: calls.status()[1] == (old, State.END))
