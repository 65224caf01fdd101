"""What the command serves, and what it refuses before it loads anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from serve_options import NOTHING
from synthseg_serving.errors import ModelError
from synthseg_serving.run import choose_models


def test_place_of_the_ready_file_is_looked_at_before_anything_is_loaded(
    run_main: Callable[..., tuple[int, str]], model_dir: Path, tmp_path: Path
) -> None:
    code, output = run_main("serve", model_dir, "--ready-file", tmp_path / "none" / "ready")
    assert code == 2
    assert output == f"Error: {tmp_path}/none is no folder, expected one for the ready file.\n"
    code, output = run_main("serve", model_dir, "--ready-file", tmp_path)
    assert code == 2
    assert output == f"Error: {tmp_path} is a folder, expected the name of a file to write.\n"
    assert not list(tmp_path.iterdir())


def test_version_folder_instead_of_its_parent_is_pointed_out(
    run_main: Callable[..., tuple[int, str]], model_dir: Path
) -> None:
    code, output = run_main("serve", model_dir / "1")
    assert code == 2
    assert "is one version of a model; give its parent folder" in output


def test_a_folder_of_versions_is_one_model_by_the_name_asked_for(model_dir: Path) -> None:
    (model,) = choose_models(dataclasses.replace(NOTHING, model_dir=model_dir, name="mine"))
    assert (model.name, model.base_path) == ("mine", model_dir)


def test_a_configuration_that_lists_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("model_config_list {}")
    with pytest.raises(ModelError, match=r"models\.config lists no model\."):
        choose_models(dataclasses.replace(NOTHING, model_config_file=path))
