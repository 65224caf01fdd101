import pytest
from synthseg_trainer.network.bundle import load_bundle
from synthseg_trainer.runs.best import BEST, keep_if_best


@pytest.fixture
def bundle(small_bundle):
    return load_bundle(small_bundle)


def _kept(run):
    return load_bundle(run / BEST).info["validation"]


def test_only_a_better_network_replaces_the_one_kept(tmp_path, bundle):
    assert keep_if_best(tmp_path, bundle, 0.5)
    assert not keep_if_best(tmp_path, bundle, 0.5)
    assert not keep_if_best(tmp_path, bundle, 0.4)
    assert not keep_if_best(tmp_path, bundle, float("nan"))
    assert _kept(tmp_path) == {"mean_dice": 0.5}
    assert keep_if_best(tmp_path, bundle, 0.6, scans=3)
    assert _kept(tmp_path) == {"mean_dice": 0.6, "scans": 3}


def test_a_broken_file_does_not_stop_a_run(tmp_path, bundle):
    (tmp_path / BEST).write_text("cut off")
    assert keep_if_best(tmp_path, bundle, 0.1)
    assert _kept(tmp_path)["mean_dice"] == 0.1
