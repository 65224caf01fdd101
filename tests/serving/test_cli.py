"""The commands: exit codes, one line for each mistake, help without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthseg_serving.servable import Servable


def test_folder_without_versions_is_one_line_and_code_2(
    run_main: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, output = run_main("serve", tmp_path)
    assert code == 2
    assert f"{tmp_path} holds no versions" in output
    assert output.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_broken_version_is_one_line_and_code_2(
    run_main: Callable[..., tuple[int, str]], tmp_path: Path, content: bytes | None
) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    if content is not None:
        (tmp_path / "m" / "1" / "saved_model.pb").write_bytes(content)
    code, output = run_main("serve", tmp_path / "m", "--address", f"unix:{tmp_path}/s")
    assert code == 2
    assert f"{tmp_path}/m/1: the model does not load" in output
    assert output.count("\n") == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "cannot be read as a model folder"),
        (["m", "--model-config-file", "c"], "not both"),
        (["m", "--tls-key", "k"], "--tls-cert"),
        (["--model-config-file", "none"], "none cannot be read"),
        (["m", "--threads", "0"], "x>=1"),
    ],
)
def test_wrong_usage_is_code_2(
    run_main: Callable[..., tuple[int, str]], arguments: list[str], message: str
) -> None:
    code, output = run_main("serve", *arguments)
    assert code == 2
    assert message in output
    assert "Traceback" not in output


@pytest.mark.parametrize(("name", "options"), [("WEIGHTS", []), ("SMALL_WEIGHTS", ["--small"])])
def test_no_model_and_no_weights_says_so(
    run_main: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    options: list[str],
) -> None:
    monkeypatch.setattr(f"synthseg_serving.shipped.{name}", tmp_path / "no.npz")
    code, output = run_main("serve", *options)
    assert code == 2
    assert "holds no weights" in output


def test_command_sets_the_budget(
    run_main: Callable[..., tuple[int, str]], bundle_file: Path, tmp_path: Path
) -> None:
    code, _ = run_main("export", bundle_file, tmp_path / "models", "--max-voxels", 128**3)
    assert code == 0
    assert Servable(tmp_path / "models" / "1", 1, threads=1).budget.max_voxels == 128**3


def test_command_prints_the_new_version(
    run_main: Callable[..., tuple[int, str]], bundle_file: Path, tmp_path: Path
) -> None:
    code, output = run_main("export", bundle_file, tmp_path / "models", "--version", 4)
    assert (code, output.splitlines()[-1]) == (0, str(tmp_path / "models" / "4"))
    assert (tmp_path / "models" / "4" / "saved_model.pb").is_file()


def bad_sources(folder: Path) -> dict[str, tuple[Path, str]]:
    (folder / "text.npz").write_text("no bundle")
    (folder / "empty").mkdir()
    np.savez(folder / "other.npz", a=np.ones(3))
    good = folder / "bundle.npz"
    (folder / "cut.npz").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    return {
        "missing": (folder / "missing", "no such file or folder"),
        "text": (folder / "text.npz", "is not a model bundle"),
        "empty folder": (folder / "empty", "holds no checkpoint"),
        "other arrays": (folder / "other.npz", "is not a model bundle"),
        "truncated": (folder / "cut.npz", "is not a model bundle"),
    }


@pytest.mark.parametrize("name", ["missing", "text", "empty folder", "other arrays", "truncated"])
def test_bad_source_is_one_line_and_code_2(
    run_main: Callable[..., tuple[int, str]], name: str, bundle_file: Path
) -> None:
    folder = bundle_file.parent
    source, message = bad_sources(folder)[name]
    code, output = run_main("export", source, folder / "models")
    assert code == 2
    assert message in output
    assert str(source) in output
    assert output.count("\n") == 1
    assert not (folder / "models").exists()


def test_help_and_version_need_no_tensorflow(make_python: Callable[[str], str]) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from synthseg_serving.cli import main\n"
        "for a in (['--help'], ['serve', '--help'], ['--version']):\n"
        "    assert CliRunner().invoke(main, a).exit_code == 0\n"
        "print('tensorflow' in sys.modules, 'grpc' in sys.modules)"
    )
    assert make_python(code) == "False False\n"
