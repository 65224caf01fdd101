import pytest
from click.testing import CliRunner
from synthseg_trainer.cli import main
from synthseg_trainer.network.bundle import load_bundle


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
    ],
)
def test_a_user_s_mistake_is_one_line_and_exit_code_2(tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert named in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_recipes_are_listed():
    result = CliRunner().invoke(main, ["recipes"])
    assert "laptop" in result.stdout.split()


def test_a_bundle_can_be_packed_into_half_the_size(tmp_path, small_bundle):
    packed = tmp_path / "packed.npz"
    arguments = ["pack", str(small_bundle), str(packed), "--half", "--name", "tiny"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert load_bundle(packed).info["name"] == "tiny"
    assert packed.stat().st_size < small_bundle.stat().st_size


def test_packing_leads_to_keras_and_back(tmp_path, small_bundle):
    path = small_bundle
    for name in ("a.weights.h5", "b.npz"):
        arguments = ["pack", str(path), str(tmp_path / name), "--name", "mine"]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        path = tmp_path / name
    start, end = load_bundle(small_bundle), load_bundle(path)
    assert end.info == {"name": "mine"}
    assert (end.network, end.labels) == (start.network, start.labels)
