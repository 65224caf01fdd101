"""What `import-weights` takes and tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from official_files import write_official
from synthseg_serving.official.networks import QUALITY, V1

Main = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"text", "is no HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"<!doctype html><html>404</html>", "web page"),
        (b"\x89HDF\r\n\x1a\n" * 9, "is no HDF5 file"),
    ],
)
def test_bad_file_is_one_line_and_code_2(
    tmp_path: Path, run_main: Main, content: bytes | None, message: str
) -> None:
    path = tmp_path / "w.h5"
    if content is not None:
        path.write_bytes(content)
    code, output = run_main("import-weights", path, tmp_path / "m", "--labels", "v1")
    assert code == 2
    assert message in output
    assert output.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_single_file_becomes_a_version_of_a_model(tmp_path: Path, run_main: Main) -> None:
    path = write_official(tmp_path / "w.h5", V1)
    code, output = run_main("import-weights", path, tmp_path / "m", "--labels", "v1")
    assert code == 0, output
    assert (tmp_path / "m" / "1" / "saved_model.pb").is_file()
    code, output = run_main("import-weights", path, tmp_path / "m", "--labels", "v2")
    assert code == 2
    assert "answers 32 labels, v2 has 33; use --labels v1" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{weights}", "m", "--name", "x"], "go with a single file"),
        (["{weights}/w.h5"], "name the model's own folder"),
        (["{weights}", "--max-voxels", "3000000"], "--max-voxels needs a folder"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    tmp_path: Path, run_main: Main, arguments: list[str], message: str
) -> None:
    write_official(tmp_path / "w.h5", QUALITY)
    code, output = run_main("import-weights", *(a.format(weights=tmp_path) for a in arguments))
    assert code == 2
    assert message in output
