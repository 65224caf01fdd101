import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from synthseg_common.labels import SYNTHSEG_V2

BENCH = Path(__file__).parents[2] / "bench"
NAMES = ("left hippocampus", "right hippocampus")


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Benchmarks import each other as scripts do."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    yield
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_ratios_are_of_millimetres_and_of_both_sides() -> None:
    card_volumes = importlib.import_module("card_volumes")

    labels = np.zeros((4, 4, 4), np.int16)
    labels[0], labels[1] = 17, 53
    volumes = dict.fromkeys(SYNTHSEG_V2.names[1:], 0.0) | dict.fromkeys(NAMES, 192.0)

    ratios = card_volumes.ratios(volumes, nib.Nifti1Image(labels, np.diag([2.0, 2, 2, 1])))

    assert ratios["hippocampus"] == pytest.approx(1.5)
    assert np.isnan(ratios["thalamus"])


def test_spread_is_the_mean_of_both_sides() -> None:
    card_repeatability = importlib.import_module("card_repeatability")

    still = dict.fromkeys(SYNTHSEG_V2.names[1:], 10.0)
    moved = still | {NAMES[0]: 20.0}

    spread = card_repeatability.spread_percent([still, moved])

    assert spread["thalamus"] == 0
    assert spread["hippocampus"] == pytest.approx(100 * np.sqrt(50) / 15 / 2)


def test_difference_of_sides_is_in_percent_of_their_mean() -> None:
    card_ct = importlib.import_module("card_ct")

    assert card_ct.difference_percent({"l": 11.0, "r": 9.0}, ["l", "r"]) == "+20.0"
    assert card_ct.difference_percent({"m": 1.0}, ["m"]) == ""


def test_the_part_of_the_brain_leaves_csf_out() -> None:
    card_ct = importlib.import_module("card_ct")

    volumes = dict.fromkeys(SYNTHSEG_V2.names[1:], 1.0) | {"csf": 1000.0}

    assert card_ct.part(volumes, list(NAMES)) == pytest.approx(2 / 31)


def test_benchmark_says_what_it_can_print() -> None:
    bench_shipped_model = importlib.import_module("bench_shipped_model")

    for module in bench_shipped_model.TABLES.values():
        assert callable(module.scans)
        assert callable(module.show)
    assert all(
        f"`{name}`" in str(bench_shipped_model.__doc__) for name in bench_shipped_model.TABLES
    )
