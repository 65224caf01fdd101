import contextlib
import json
import os
import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthseg_trainer.cli import main
from synthseg_trainer.config import load_settings, recipe_names
from synthseg_trainer.network.bundle import load_bundle, save_bundle


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "nowhere.yaml", "--run", "r"], "nowhere.yaml: no such file, nor a recipe"),
        (["pack", "nowhere", "o.npz"], "nowhere: no such file or folder; expected a run"),
        (["pack", "nowhere", "o.h5"], "OUTPUT must end in .npz or .weights.h5, got o.h5"),
        (["pack", "nowhere", "o.weights.h5", "--half"], "--half is for OUTPUT.npz"),
        (["evaluate", "nowhere.nii", "x"], "nowhere.nii: no such file"),
        (["train", "laptop", "--run", "r"], "names no label store"),
        (["train", "laptop", "--run", "r", "--store", "nothing.zarr"], "nothing.zarr"),
        (
            ["recipes", "none"],
            "none is no recipe; recipes are 2021, laptop, laptop_wide, own_anatomy,",
        ),
    ],
)
def test_a_user_s_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert named in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_store_that_may_be_reached_later_is_no_mistake(tmp_path: Path) -> None:
    arguments = ["train", "laptop", "--run", str(tmp_path / "r")]
    result = CliRunner().invoke(main, [*arguments, "--store", "http://127.0.0.1:9/heads.zarr"])
    assert result.exit_code == 1
    assert "http://127.0.0.1:9/heads.zarr" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_one_of_several_machines_meets_the_others_before_it_can_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, a mistake is told at once."""
    arguments = ["train", "nowhere.yaml", "--run", str(tmp_path / "r")]
    monkeypatch.setenv("TF_CONFIG", '{"task": {"type": "evaluator", "index": 0}}')
    assert "TF_CONFIG makes this machine" in CliRunner().invoke(main, arguments).stderr
    monkeypatch.setenv("TF_CONFIG", "")
    assert "nowhere.yaml: no such file" in CliRunner().invoke(main, arguments).stderr


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> int:
    """The port of a worker whose only peer does not come."""
    with (
        socket.create_server(("127.0.0.1", 0)) as own,
        socket.create_server(("127.0.0.1", 0)) as peer,
    ):
        ports: list[int] = [server.getsockname()[1] for server in (own, peer)]
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    described = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(described))
    return ports[0]


def test_a_machine_whose_peer_never_comes_gives_up_in_one_line(tmp_path: Path, alone: int) -> None:
    arguments = ["train", "laptop", "--run", str(tmp_path / "r"), "--wait-minutes", "0.01"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "worker 1 (127.0.0.1:" in result.stderr
    assert "did not come within 0.6 s" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_machine_that_waits_ends_at_a_signal(
    tmp_path: Path, alone: int, number: signal.Signals, code: int
) -> None:
    def send() -> None:
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", alone)).close()
                break
        os.kill(os.getpid(), number)  # now it waits: it can be reached

    threading.Thread(target=send).start()
    result = CliRunner().invoke(main, ["train", "laptop", "--run", str(tmp_path / "r")])
    assert result.exit_code == code
    assert result.stderr.endswith("ended at once, what was saved before stays.\n")


def test_recipes_are_listed() -> None:
    result = CliRunner().invoke(main, ["recipes"])
    assert result.stdout.split() == recipe_names()


def test_a_recipe_is_printed_as_a_file_to_change(tmp_path: Path, head_store: Path) -> None:
    result = CliRunner().invoke(main, ["recipes", "laptop"])
    (tmp_path / "mine.yaml").write_text(result.stdout)
    settings = load_settings(tmp_path / "mine.yaml", store=str(head_store))
    assert settings == load_settings(Path("laptop"), store=str(head_store))
    assert "#" in result.stdout, "the comments too"


def test_a_bundle_can_be_packed_into_half_the_size(tmp_path: Path, small_bundle: Path) -> None:
    packed = tmp_path / "packed.npz"
    arguments = ["pack", str(small_bundle), str(packed), "--half", "--name", "tiny"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert load_bundle(packed).info["name"] == "tiny"
    assert packed.stat().st_size < small_bundle.stat().st_size


def test_packing_leads_to_keras_and_back(tmp_path: Path, small_bundle: Path) -> None:
    path = small_bundle
    for name in ("a.weights.h5", "b.npz"):
        arguments = ["pack", str(path), str(tmp_path / name), "--name", "mine"]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        path = tmp_path / name
    start, end = load_bundle(small_bundle), load_bundle(path)
    assert end.info == {"name": "mine"}
    assert (end.network, end.labels) == (start.network, start.labels)


def test_packing_keeps_the_name_of_a_network(tmp_path: Path, small_bundle: Path) -> None:
    """One without a name is called synthseg."""
    unnamed = load_bundle(small_bundle)
    for info, name in (({}, "synthseg"), ({"name": "theirs"}, "theirs")):
        save_bundle(tmp_path / "start.npz", replace(unnamed, info=info))
        path = tmp_path / "start.npz"
        for packed in ("a.weights.h5", "b.npz"):
            result = CliRunner().invoke(main, ["pack", str(path), str(tmp_path / packed)])
            assert result.exit_code == 0, result.output
            path = tmp_path / packed
        assert load_bundle(path).info == {"name": name}
