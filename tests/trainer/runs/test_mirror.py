"""Runs in a real S3 server: whatever dies when, a reader finds a whole checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from s3_server import S3Server, s3_server
from synthseg_common import object_storage as storage
from synthseg_common.errors import exit_code_of
from synthseg_common.object_storage import join
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import load_bundle
from synthseg_trainer.runs.best import BEST, keep_if_best
from synthseg_trainer.runs.checkpoints import (
    Checkpoint,
    checkpoint_folders,
    latest_checkpoint,
    save_checkpoint,
)
from synthseg_trainer.runs.mirror import Mirror, fetched, open_run
from synthseg_trainer.runs.networks import load_network
from typed import there


class KilledError(BaseException):
    """What no handler of ours may catch."""


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def mirror(server: S3Server, request: pytest.FixtureRequest) -> Mirror:
    """A run in a bucket of its own."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:60].lower()
    return Mirror(join(server.make_bucket(name), "run"), pauses_s=())


@pytest.fixture
def make(small_bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a checkpoint here, and returns its folder."""

    def write(step: int, mark: float = 0.0) -> Path:
        optimizer = (np.array([step, mark]),)
        checkpoint = Checkpoint(load_bundle(small_bundle), optimizer, {"step": step})
        return save_checkpoint(tmp_path / "run", checkpoint, keep=1)

    return write


def _found(mirror: Mirror, folder: Path) -> list[float] | None:
    """What a fresh machine finds: step and mark of the newest checkpoint."""
    mirror.fetch(folder)
    checkpoint = latest_checkpoint(folder)
    return None if checkpoint is None else checkpoint.optimizer[0].tolist()


def _objects(mirror: Mirror) -> list[str]:
    return [entry.url.removeprefix(mirror.url) for entry in storage.listing(mirror.url)]


def test_a_checkpoint_comes_back_to_the_bit(
    mirror: Mirror, make: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make(7, 0.5)
    mirror.send_checkpoint(folder)
    assert _found(mirror, tmp_path / "other") == [7, 0.5]
    (there_again,) = checkpoint_folders(tmp_path / "other")
    for path in folder.iterdir():
        assert (there_again / path.name).read_bytes() == path.read_bytes()
    bundle = load_network(mirror.url)
    np.testing.assert_array_equal(
        bundle.weights["unet_likelihood/bias"],
        load_bundle(folder / "model.npz").weights["unet_likelihood/bias"],
    )


def test_who_dies_between_any_two_requests_leaves_a_whole_checkpoint(
    mirror: Mirror, make: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the checkpoint of a step that is there already is replaced."""
    mirror.send_checkpoint(make(1), keep=1)
    done = [0]
    for step in (2, 2, 3):
        before = _found(mirror, tmp_path / f"before-{len(done)}")
        mark = len(done)
        after = [float(step), float(mark)]
        folder = make(step, mark)
        for requests in range(100):
            if _dies_after(requests, mirror, folder, monkeypatch):
                found = _found(mirror, tmp_path / f"{mark}-{requests}")
                assert found in (before, after), f"{requests} requests"
                continue
            break
        assert requests > 4
        done.append(requests)
        assert _found(mirror, tmp_path / f"after-{mark}") == after
        assert len(_objects(mirror)) == 4, "what died and what is old is gone"


def _dies_after(
    requests: int, mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> bool:
    left = [requests]

    def counted(name: str) -> Callable[..., Any]:
        function = getattr(storage, name)

        def call(*arguments: Any) -> Any:
            if left[0] == 0:
                raise KilledError
            left[0] -= 1
            return function(*arguments)

        return call

    def remove(urls: list[str]) -> None:
        for url in urls:
            one([url])

    with monkeypatch.context() as patched:
        one = counted("remove")
        for name in ("put", "put_bytes"):
            patched.setattr(storage, name, counted(name))
        patched.setattr(storage, "remove", remove)
        try:
            mirror.send_checkpoint(folder, keep=1)
        except KilledError:
            return True
    return False


@pytest.mark.parametrize("harm", ["lost", "cut", "changed", "manifest", "path"])
def test_a_broken_checkpoint_is_passed_over_with_a_warning(
    mirror: Mirror, make: Callable[..., Path], tmp_path: Path, harm: str
) -> None:
    for step in (1, 2):
        mirror.send_checkpoint(make(step))
    place = join(mirror.url, "checkpoints", "step-00000002")
    manifest = join(place, "manifest.json")
    upload = json.loads(there(storage.get_bytes(manifest)))["upload"]
    optimizer = join(place, upload, "optimizer.npz")
    content = there(storage.get_bytes(optimizer))
    if harm == "lost":
        storage.remove([optimizer])
    elif harm == "manifest":
        storage.put_bytes(b"{", manifest)
    elif harm == "path":
        text = there(storage.get_bytes(manifest))
        storage.put_bytes(text.replace(b"model.npz", b"../model.npz"), manifest)
    else:
        changed = content[:-1] if harm == "cut" else content[:-1] + b"x"
        storage.put_bytes(changed, optimizer)
    with pytest.warns(RuntimeWarning, match=r"step-00000002.*Trying the one before\."):
        assert _found(mirror, tmp_path / "other") == [1, 0]
    storage.put_bytes(b"[]", manifest.replace("02/", "01/"))
    with (
        pytest.warns(RuntimeWarning, match="Trying the one before"),
        pytest.raises(CheckpointError, match="none of its 2 checkpoints can be read"),
    ):
        mirror.fetch(tmp_path / "third")


def test_old_checkpoints_go_as_in_a_local_run(mirror: Mirror, make: Callable[..., Path]) -> None:
    for step in range(1, 8):
        mirror.send_checkpoint(make(step), keep=2, keep_every_steps=3)
    steps = {int(name.split("step-")[1][:8]) for name in _objects(mirror)}
    assert steps == {3, 6, 7}


def test_the_best_network_and_logs_follow_where_they_changed(
    mirror: Mirror, small_bundle: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    (run / "logs" / "events").write_bytes(b"1")
    keep_if_best(run, load_bundle(small_bundle), 0.5)
    mirror.send_rest(run)
    assert _objects(mirror) == ["/best.npz", "/logs/events"]
    storage.remove([join(mirror.url, BEST)])
    (run / "logs" / "events").write_bytes(b"12")
    mirror.send_rest(run)
    assert _objects(mirror) == ["/logs/events"], "what did not change is not sent again"
    storage.put(run / BEST, join(mirror.url, BEST))
    mirror.fetch(tmp_path / "other")
    assert not keep_if_best(tmp_path / "other", load_bundle(small_bundle), 0.4)


def test_a_run_at_a_url_works_in_a_folder_that_vanishes(tmp_path: Path) -> None:
    with open_run("s3://bucket/run") as (folder, mirror):
        assert folder.is_dir()
        assert there(mirror).url == "s3://bucket/run"
    assert not folder.exists()
    with open_run(tmp_path) as here:
        assert here == (tmp_path, None)


def test_a_url_without_a_run_is_refused(mirror: Mirror) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint"), fetched(mirror.url):
        pass


def test_a_store_that_is_gone_is_an_outage_after_a_few_tries(
    make: Callable[..., Path], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    with s3_server() as server:
        lost = Mirror(join(server.make_bucket("lost"), "run"), pauses_s=(0.1, 0.1))
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        s3fs.S3FileSystem.clear_instance_cache()
        server.process.kill()
        server.process.wait()
        with pytest.raises(storage.StorageError) as caught:
            lost.send_checkpoint(make(1))
    s3fs.S3FileSystem.clear_instance_cache()
    assert exit_code_of(caught.value) == 1
    assert capfd.readouterr().err.count("next try in 0.1 s") == 2
