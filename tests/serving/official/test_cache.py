"""A set is imported into the cache once, whole, whoever asks and whatever befalls the importer."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from official_files import write_official
from synthseg_common import locking
from synthseg_common.locking import locked
from synthseg_serving.errors import ExportError, WeightsError
from synthseg_serving.model_config import read_config_file
from synthseg_serving.official.cache import cached_set
from synthseg_serving.official.networks import QUALITY, V1
from synthseg_serving.official.weights import OfficialFile
from typed import there

ASK = """
import sys
from pathlib import Path
from synthseg_serving.official.cache import cached_set
print(cached_set(Path(sys.argv[1]), Path(sys.argv[2])))
print("tensorflow" in sys.modules)
"""


def ask(weights: Path, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ASK, str(weights), str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    write_official(folder / QUALITY.file, QUALITY)
    return folder


def test_one_of_ten_imports_and_the_others_take_what_it_made(weights: Path, tmp_path: Path) -> None:
    processes = [ask(weights, tmp_path / "cache") for _ in range(10)]
    answers = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0] * 10, answers
    folders = {output.splitlines()[0] for output, _ in answers}
    imported = [output.splitlines()[1] for output, _ in answers]
    assert len(folders) == 1
    assert sorted(imported) == ["False"] * 9 + ["True"]
    found = Path(folders.pop())
    assert_whole(found)
    names = [path.name for path in found.parent.iterdir()]
    assert sorted(names) == sorted([found.name, f".{found.name}.lock"])


def assert_whole(found: Path) -> None:
    (model,) = read_config_file(found / "models.config")
    assert model.name == QUALITY.served_name
    assert model.base_path == found / QUALITY.served_name
    assert (model.base_path / "1" / "saved_model.pb").is_file()


def test_killed_importer_leaves_nothing_in_the_way(
    weights: Path, tmp_path: Path, eventually: Callable[..., bool]
) -> None:
    sets = tmp_path / "cache" / "official"
    process = ask(weights, tmp_path / "cache")
    assert eventually(lambda: any(sets.glob(".*-*")))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = list(sets.glob(".*-*"))
    assert left
    assert not [path for path in sets.iterdir() if not path.name.startswith(".")]
    assert_whole(cached_set(weights, tmp_path / "cache"))
    assert not list(sets.glob(".*-*")), "what it left behind is tidied away"


def test_set_is_answered_again_until_a_file_changes(weights: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = cached_set(weights, cache)
    (weights / "synthseg_photo_both_1.0.h5").touch()
    (weights / "readme.txt").touch()
    assert cached_set(weights, cache) == first
    os.utime(weights / QUALITY.file, ns=(1, 1))
    assert cached_set(weights, cache) != first
    # The lock file of each, and each.
    assert len(list(first.parent.iterdir())) == 4


def test_list_is_put_right_where_the_cache_has_moved(weights: Path, tmp_path: Path) -> None:
    found = cached_set(weights, tmp_path / "cache")
    (tmp_path / "cache").rename(tmp_path / "moved")
    moved = cached_set(weights, tmp_path / "moved")
    assert moved.name == found.name
    assert_whole(moved)


def test_folder_of_served_models_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "models.config").touch()
    assert cached_set(tmp_path, tmp_path / "cache") == tmp_path
    assert not (tmp_path / "cache").exists()


def test_weights_that_do_not_fit_leave_no_set(weights: Path, tmp_path: Path) -> None:
    write_official(weights / V1.file, V1, without=["unet_bn_up_0"])
    with pytest.raises(WeightsError, match=r"synthseg_1\.0\.h5.*unet_bn_up_0/gamma is missing"):
        cached_set(weights, tmp_path / "cache")
    left = [path.name for path in (tmp_path / "cache" / "official").iterdir()]
    assert [name for name in left if not name.endswith(".lock")] == []


def test_cache_that_cannot_be_written_says_what_to_do(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"file/.*XDG_CACHE_HOME") as caught:
        cached_set(weights, tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_set_that_another_made_where_locks_do_not_hold_is_taken(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    other = cached_set(weights, tmp_path / "other")
    from synthseg_serving.official import importing

    write = importing.write_models

    def overtaken(files: list[OfficialFile], models: Path, listed_at: Path) -> list[Path]:
        shutil.copytree(other, listed_at)
        return write(files, models, listed_at=listed_at)

    monkeypatch.setattr(importing, "write_models", overtaken)
    monkeypatch.setattr(locking, "fcntl", None)
    found = cached_set(weights, cache)
    assert_whole(found)
    assert not list(found.parent.glob(".*+*"))


def test_command_without_arguments_fills_the_cache(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_main: Callable[..., tuple[int, str]],
) -> None:
    (tmp_path / "fs").mkdir()
    weights.rename(tmp_path / "fs" / "models")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("FREESURFER_HOME", str(tmp_path / "fs"))
    monkeypatch.delenv("SYNTHSEG_MODELS", raising=False)
    code, output = run_main("import-weights")
    assert code == 0, output
    assert_whole(Path(output.strip()))
    assert Path(output.strip()).is_relative_to(tmp_path / "xdg" / "synthseg" / "models")
    monkeypatch.delenv("FREESURFER_HOME")
    code, output = run_main("import-weights")
    assert code == 2
    assert "neither SYNTHSEG_MODELS nor FREESURFER_HOME is set" in output


HOLD = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from synthseg_common.locking import locked
    with locked(Path(sys.argv[1]), "x") as held:
        print(held, flush=True)
        time.sleep(600)
    """
)


def test_lock_is_waited_for_with_a_word_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(locking, "_TELL_EVERY_S", 0.2)
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert there(holder.stdout).readline() == "True\n"
        with locked(path, "weights are imported", limit_s=1) as held:
            assert not held
        assert "while weights are imported by another process" in caplog.text
        assert "going on without" in caplog.text
    finally:
        holder.kill()
        holder.communicate()
    started = time.monotonic()
    with locked(path, "x") as held:
        assert held
    assert time.monotonic() - started < 10
