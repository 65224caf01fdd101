"""Which models `serve` takes, and what it refuses before it loads anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from synthseg_common.official_weights import OfficialWeightsError
from synthseg_serving.errors import ModelError
from synthseg_serving.model_config import write_config
from synthseg_serving.options import FOUND, ServeOptions
from synthseg_serving.run import choose_models, official_models
from synthseg_serving.versions import ModelConfig


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of served models of these names."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name / "1").mkdir(parents=True)
        models = [ModelConfig(name=name, base_path=tmp_path / name) for name in names]
        (tmp_path / "models.config").write_text(write_config(models))
        return tmp_path

    return make


def chosen(folder: Path, model_dir: Path | None = None, name: str = "synthseg") -> dict[str, Path]:
    return {m.name: m.base_path for m in official_models(str(folder), model_dir, name)}


def test_plain_segmenter_comes_first_under_the_name_that_is_asked_for(
    make_set: Callable[..., Path],
) -> None:
    folder = make_set("synthseg_parcels", "synthseg")
    found = chosen(folder, name="mine")
    assert list(found) == ["mine", "synthseg_parcels"]
    assert found["mine"] == folder / "synthseg"


def test_model_dir_takes_the_place_of_the_plain_segmenter(
    make_set: Callable[..., Path], model_dir: Path
) -> None:
    found = chosen(make_set("synthseg", "synthseg_robust"), model_dir)
    assert list(found) == ["synthseg", "synthseg_robust"]
    assert found["synthseg"] == model_dir


def test_shipped_model_stands_in_for_a_plain_segmenter_that_is_not_there(
    make_set: Callable[..., Path], model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthseg_serving.shipped.shipped_model_dir", lambda *_: model_dir)
    found = chosen(make_set("synthseg_robust"))
    assert next(iter(found.items())) == ("synthseg", model_dir)


@pytest.mark.parametrize("beside_official", [False, True])
@pytest.mark.parametrize(
    ("small", "weights"), [(False, "synthseg.npz"), (True, "synthseg_small.npz")]
)
def test_one_of_two_shipped_models_is_chosen(
    small: bool,
    weights: str,
    beside_official: bool,
    make_set: Callable[..., Path],
    model_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exported: list[Path] = []

    def export(weights: Path) -> Path:
        exported.append(weights)
        return model_dir

    monkeypatch.setattr("synthseg_serving.shipped.shipped_model_dir", export)
    official = str(make_set("synthseg", "synthseg_robust")) if beside_official else None
    first, *_ = choose_models(ServeOptions(official=official, own_model=True, small=small))
    assert first.base_path == model_dir
    assert [path.name for path in exported] == [weights]
    assert exported[0].is_file()


def test_name_of_another_network_is_refused(make_set: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"synthseg_robust is a network of .* another --name"):
        chosen(make_set("synthseg", "synthseg_robust"), name="synthseg_robust")


def test_set_that_has_moved_is_served_from_where_it_is(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_set("synthseg", "synthseg_robust")
    listing = folder / "models.config"
    listing.write_text(listing.read_text().replace(str(folder), "/in/a/container"))
    assert chosen(folder) == {name: folder / name for name in ("synthseg", "synthseg_robust")}


def test_set_is_looked_for_where_none_is_named(
    make_set: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FREESURFER_HOME", raising=False)
    monkeypatch.setenv("SYNTHSEG_MODELS", str(make_set("synthseg")))
    assert [model.name for model in official_models(FOUND, None, "synthseg")] == ["synthseg"]
    monkeypatch.delenv("SYNTHSEG_MODELS")
    with pytest.raises(OfficialWeightsError, match="neither"):
        official_models(FOUND, None, "synthseg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--official", "--on-demand", "--model-config-file", "c"], "give --official or --model-c"),
        (["--idle-minutes", "0"], "x>0"),
        (["--official", "none"], "none cannot be read"),
        (["folder", "--small"], "--small chooses among the models that ship with the package"),
        (["--official", "--small"], "--small chooses among the models that ship with the package"),
        (["--model-config-file", "c", "--small"], "--small chooses among the models that ship"),
    ],
)
def test_wrong_usage_is_code_2(
    run_main: Callable[..., tuple[int, str]], arguments: list[str], message: str
) -> None:
    code, output = run_main("serve", *arguments)
    assert code == 2
    assert message in output


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
    (model,) = choose_models(ServeOptions(model_dir=model_dir, name="mine"))
    assert (model.name, model.base_path) == ("mine", model_dir)


def test_a_configuration_that_lists_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("model_config_list {}")
    with pytest.raises(ModelError, match=r"models\.config lists no model\."):
        choose_models(ServeOptions(model_config_file=path))
