"""The command `synthseg-generator`."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from generator_fixtures import MakeHead, WriteMap
from loading import load_nifti
from synthseg_generator.cli import main
from synthseg_generator.settings.files import dump_settings
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import open_store


@pytest.fixture
def settings_file(tmp_path: Path, small_settings: GeneratorSettings) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(dump_settings(small_settings)))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_one_line_and_code_2(result: Result, *parts: str) -> None:
    assert_one_line(result, 2, *parts)


def assert_one_line(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("Error: ")
    for part in parts:
        assert part in lines[0]


def test_ingest_then_check(tmp_path: Path, head_folder: Path) -> None:
    store = tmp_path / "store.zarr"
    assert "3 maps added, 0 were there" in run("ingest", head_folder, store).output
    assert "0 maps added, 3 were there" in run("ingest", head_folder, store).output
    assert open_store(store).names == ("alice", "bob", "carol")
    result = run("check", store)
    assert result.exit_code == 1  # these heads lack most structures of the released table
    assert "is in no map" in result.output
    assert "errors" in result.output.splitlines()[-1]


def test_check_of_complete_maps_exits_with_0(
    tmp_path: Path, head_folder: Path, make_head: MakeHead
) -> None:
    values = np.unique(make_head((40, 44, 42))).tolist()
    pairs = [(2, 41), (3, 42), (4, 43), (7, 46), (8, 47), (10, 49), (12, 51), (17, 53)]
    left, right = zip(*pairs, strict=True)
    neutral = [v for v in values if v not in {*left, *right}]
    table = {"values": [*neutral, *left, *right], "n_neutral": len(neutral)}
    (tmp_path / "own.json").write_text(json.dumps(table))
    run("ingest", head_folder, tmp_path / "s.zarr", "--labels", tmp_path / "own.json")
    result = run("check", tmp_path / "s.zarr")
    assert result.exit_code == 0, result.output
    assert result.output == "3 maps: 0 errors, 0 warnings.\n"


def test_plan_then_generate_and_preview_from_it(
    tmp_path: Path, store_path: Path, settings_file: Path
) -> None:
    plan = tmp_path / "plan.zarr"
    arguments = ("--samples", 2, "--seed", 4, "--settings", settings_file)
    assert "2 samples, drawn by numpy" in run("plan", store_path, plan, *arguments).output
    result = run("generate", store_path, tmp_path / "out", "--samples", 2, "--plan", plan)
    assert "2 samples made" in result.output, result.output
    assert load_nifti(tmp_path / "out" / "sample-00001_image.nii.gz").shape == (16, 16, 16)
    picture = tmp_path / "sheet.png"
    result = run("preview", store_path, picture, "--samples", 1, "--plan", plan)
    assert result.output.strip() == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_priors_writes_settings(tmp_path: Path, write_map: WriteMap) -> None:
    labels = np.zeros((6, 6, 6), np.int16)
    labels[:3] = 2
    for folder, volume in (("maps", labels), ("scans", labels * 40)):
        (tmp_path / folder).mkdir()
        write_map(tmp_path / folder / "one.nii", volume)
    arguments = ("--tissue-classes", "--no-rescale", "--mad", "raw")
    result = run("priors", tmp_path / "scans", tmp_path / "maps", tmp_path / "out", *arguments)
    assert result.exit_code == 0, result.output
    assert np.load(tmp_path / "out" / "prior_means.npy").shape == (2, 25)
    assert np.load(tmp_path / "out" / "prior_means.npy")[0].max() == 80


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    result = run("ingest", tmp_path / "nowhere", tmp_path / "store.zarr")
    assert_one_line_and_code_2(result, "nowhere is no folder")
    assert list(tmp_path.iterdir()) == []


def test_a_text_file_named_nifti_is_named(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "text.nii.gz").write_text("hello")
    result = run("ingest", tmp_path / "maps", tmp_path / "store.zarr")
    assert_one_line_and_code_2(result, "text.nii.gz")
    assert not (tmp_path / "store.zarr").exists()


def test_an_unknown_label_is_named_with_its_file(tmp_path: Path, write_map: WriteMap) -> None:
    (tmp_path / "maps").mkdir()
    write_map(tmp_path / "maps" / "odd.nii", np.full((4, 4, 4), 999, np.int16))
    result = run("ingest", tmp_path / "maps", tmp_path / "store.zarr")
    assert_one_line_and_code_2(result, "odd.nii", "999")
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]


@pytest.mark.parametrize(
    "command",
    [
        ("check", "nowhere.zarr"),
        ("preview", "nowhere.zarr", "sheet.png"),
        ("plan", "nowhere.zarr", "plan.zarr", "--samples", "1"),
        ("generate", "nowhere.zarr", "out", "--samples", "1"),
    ],
)
def test_a_missing_store_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line_and_code_2(run(*command), "nowhere.zarr is no label store")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_setting_is_named(tmp_path: Path, store_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("crop: {colour: red}")
    result = run("preview", store_path, tmp_path / "s.png", "--settings", tmp_path / "bad.yaml")
    assert_one_line_and_code_2(result, "bad.yaml", "crop.colour")


def test_a_crop_larger_than_memory_is_named_and_a_smaller_one_goes_to_the_same_folder(
    tmp_path: Path, store_path: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise MemoryError

    (tmp_path / "large.yaml").write_text("crop: {shape: 5000}")
    arguments = ("generate", store_path, tmp_path / "out", "--samples", 1, "--settings")
    with monkeypatch.context() as patch:
        patch.setattr(np, "pad", refuse)  # no machine is asked for 116 GiB
        result = run(*arguments, tmp_path / "large.yaml")
    assert_one_line_and_code_2(result, "crop.shape (5000, 5000, 5000)", "5000x5000x5000 voxels")
    assert run(*arguments, settings_file).exit_code == 0


@pytest.mark.parametrize(
    ("address", "code", "named"),
    [
        ("tcp://127.0.0.1:9", 1, "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ("tcp://127.0.0.1", 2, "tcp://127.0.0.1 is no address of a Dask scheduler"),
    ],
)
def test_only_a_scheduler_that_may_answer_later_is_an_outage(
    tmp_path: Path,
    store_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    code: int,
    named: str,
) -> None:
    monkeypatch.setattr("synthseg_generator.cluster.connection.CONNECT_TIMEOUT_S", 0.5)
    arguments = ("--samples", 1, "--scheduler", address)
    result = run("plan", store_path, tmp_path / "plan.zarr", *arguments)
    assert_one_line(result, code, named)


@pytest.mark.parametrize(
    ("store", "code", "problem"),
    [
        ("http://127.0.0.1:9/heads.zarr", 1, "cannot be reached: Cannot connect"),
        ("/nowhere/heads.zarr", 2, "is no label store"),
    ],
)
def test_only_a_store_that_may_be_reached_later_is_an_outage(
    store: str, code: int, problem: str
) -> None:
    assert_one_line(run("check", store), code, f"{store} {problem}")


def test_a_server_that_fails_is_an_outage(store_url: str) -> None:
    url = store_url.replace("/heads.zarr", "/busy/heads.zarr")
    assert_one_line(run("check", url), 1, f"{url} cannot be reached: 503")


def test_who_leaves_every_map_out_is_told_so(tmp_path: Path, store_path: Path) -> None:
    names = [word for name in ("alice", "bob", "carol") for word in ("--without", name)]
    result = run("preview", store_path, tmp_path / "p.png", *names)
    assert_one_line(result, 2, "--without leaves no map")


def test_a_disk_that_is_full_is_an_outage(tmp_path: Path, head_folder: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        result = run("ingest", head_folder, tmp_path / "heads.zarr")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_one_line(result, 1, "cannot be written", "File too large")


def test_a_plan_and_a_seed_contradict_each_other(tmp_path: Path, store_path: Path) -> None:
    result = run("preview", store_path, tmp_path / "s.png", "--plan", "p.zarr", "--seed", 1)
    assert_one_line_and_code_2(result, "--plan fixes settings and seed")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, store_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "synthseg_generator.check.linter", None)
    result = run("check", store_path)
    assert_one_line_and_code_2(result, "pip install 'synthseg-serving[generator]'")


def test_help_and_version() -> None:
    for command in ("ingest", "check", "preview", "plan", "generate", "priors"):
        assert command in run("--help").output
        assert run(command, "--help").exit_code == 0
    assert "version" in run("--version").output
