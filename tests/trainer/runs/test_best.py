import dataclasses
from pathlib import Path
from typing import Any

import pytest
from synthseg_generator.settings.generator import GeneratorSettings, generator_settings
from synthseg_trainer.aliases import JsonObject
from synthseg_trainer.config import Validation
from synthseg_trainer.network.bundle import Bundle, load_bundle
from synthseg_trainer.runs.best import BEST, digest_of_scans, keep_if_best


@pytest.fixture
def bundle(small_bundle: Path) -> Bundle:
    return load_bundle(small_bundle)


def _kept(run: Path) -> JsonObject:
    kept: JsonObject = load_bundle(run / BEST).info["validation"]
    return kept


def test_only_a_better_network_replaces_the_one_kept(tmp_path: Path, bundle: Bundle) -> None:
    assert keep_if_best(tmp_path, bundle, 0.5)
    assert not keep_if_best(tmp_path, bundle, 0.5)
    assert not keep_if_best(tmp_path, bundle, 0.4)
    assert not keep_if_best(tmp_path, bundle, float("nan"))
    assert _kept(tmp_path) == {"mean_dice": 0.5}
    assert keep_if_best(tmp_path, bundle, 0.6, scans=3)
    assert _kept(tmp_path) == {"mean_dice": 0.6, "scans": 3}


def test_a_score_on_other_scans_or_on_unknown_ones_gives_way(
    tmp_path: Path, bundle: Bundle
) -> None:
    assert keep_if_best(tmp_path, bundle, 0.9)
    assert keep_if_best(tmp_path, bundle, 0.8, digest="easy")
    assert not keep_if_best(tmp_path, bundle, 0.7, digest="easy")
    assert keep_if_best(tmp_path, bundle, 0.3, digest="hard")
    assert not keep_if_best(tmp_path, bundle, 0.2, digest="hard")
    assert not keep_if_best(tmp_path, bundle, float("nan"), digest="other")
    assert _kept(tmp_path) == {"mean_dice": 0.3, "scans_sha256": "hard"}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"every_steps": 7}, True),
        ({"generator": generator_settings({"gamma_std": 1})}, False),
        ({"maps": ("n",)}, False),
        ({"samples": 5}, False),
        ({"seed": 1}, False),
    ],
)
def test_scans_have_another_digest_if_they_are_made_otherwise(
    changes: dict[str, Any], same: bool
) -> None:
    validation = Validation(maps=("m",), generator=GeneratorSettings())
    changed = dataclasses.replace(validation, **changes)
    assert (digest_of_scans(changed) == digest_of_scans(validation)) is same


def test_a_broken_file_does_not_stop_a_run(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / BEST).write_text("cut off")
    assert keep_if_best(tmp_path, bundle, 0.1)
    assert _kept(tmp_path)["mean_dice"] == 0.1
