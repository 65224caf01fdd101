from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from generator_fixtures import ReadLayer
from numpy.typing import NDArray
from scipy.stats import ks_2samp, kstest
from synthseg_common.labels import (
    CONTRAST_SPECIFIC_CLASSES,
    GENERATION_V1,
    GENERATION_V2,
    GenerationLabels,
)
from synthseg_generator.draws.intensity import draw_bias_field, draw_mixture, find_bias_shape
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import BiasField, Mixture, Prior

CONTRASTS = tuple(Prior(rows=((value, value),)) for value in (60.0, 90.0, 120.0))
WIDTHS = tuple(Prior(rows=((value, value),)) for value in (6.0, 9.0, 12.0))
TISSUE = GENERATION_V2.values.index(2)


def _drawn(
    config: Mixture,
    count: int = 1,
    n_channels: int = 1,
    labels: GenerationLabels = GENERATION_V2,
    seed: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and deviations of many samples, `[sample, label, channel]` each."""
    rng = np.random.default_rng(seed)
    draws = [draw_mixture(config, labels, n_channels, rng) for _ in range(count)]
    means, stds = (np.array(part) for part in zip(*draws, strict=True))
    return means, stds


def _tissue_pairs(config: Mixture, count: int = 200, n_channels: int = 1) -> NDArray[np.float64]:
    """Mean and deviation of one tissue in every sample and channel."""
    means, stds = _drawn(config, count, n_channels)
    return np.stack([means[:, TISSUE], stds[:, TISSUE]], axis=-1)


def test_bias_field_that_never_occurs_is_zero() -> None:
    never = BiasField(probability=0)
    assert not draw_bias_field(never, (160, 160, 160), np.random.default_rng(0)).any()


def test_labels_of_one_class_share_their_gaussian() -> None:
    means, stds = draw_mixture(Mixture(), GENERATION_V2, 1, np.random.default_rng(0))
    ventricle, horn = GENERATION_V2.values.index(4), GENERATION_V2.values.index(5)
    assert means[ventricle] == means[horn]
    assert stds[ventricle] == stds[horn]


def test_prior_with_the_wrong_number_of_rows_is_refused() -> None:
    mixture = Mixture(means=Prior(rows=((0, 1), (0, 1))))
    with pytest.raises(ConfigError, match="2 rows, expected 1 or one per class, that is 48"):
        draw_mixture(mixture, GENERATION_V2, 1, np.random.default_rng(0))


def test_known_contrast_is_taken_when_it_is_certain() -> None:
    prior, narrow = Prior(distribution="normal", rows=((90.0, 0.0),)), Prior(rows=((3.0, 3.0),))
    mixture = Mixture(specific_means=(prior,), specific_stds=(narrow,))
    means, stds = draw_mixture(mixture, GENERATION_V2, 1, np.random.default_rng(0))
    tissue = GENERATION_V2.values.index(2)
    assert (means[tissue, 0], stds[tissue, 0]) == (90, 3)


def test_joint_contrasts_keep_means_and_deviations_together() -> None:
    config = Mixture(specific_means=CONTRASTS, specific_stds=WIDTHS)
    pairs = {tuple(pair) for pair in _tissue_pairs(config)[:, 0]}
    assert pairs == {(60, 6), (90, 9), (120, 12)}


def test_independent_contrasts_mix_them_as_the_original_does() -> None:
    config = Mixture(specific_means=CONTRASTS, specific_stds=WIDTHS, specific_pairing="independent")
    pairs = {tuple(pair) for pair in _tissue_pairs(config)[:, 0]}
    assert len(pairs) == 9


def test_independent_contrasts_need_not_be_as_many_of_each() -> None:
    config = Mixture(specific_means=CONTRASTS, specific_pairing="independent")
    pairs = _tissue_pairs(config)[:, 0]
    assert set(pairs[:, 0]) == {60, 90, 120}
    assert len(set(pairs[:, 1])) == len(pairs)


@pytest.mark.parametrize("pairing", ["joint", "independent"])
def test_each_channel_takes_its_own_contrast(pairing: Literal["joint", "independent"]) -> None:
    config = Mixture(
        specific_means=CONTRASTS,
        specific_stds=WIDTHS,
        specific_pairing=pairing,
        specific_choice="channel",
    )
    pairs = _tissue_pairs(config, 5, n_channels=3)
    assert np.all(pairs == [[60, 6], [90, 9], [120, 12]])


@pytest.mark.parametrize(("pairing", "expected"), [("joint", 0.5), ("independent", 0.25)])
def test_means_and_deviations_turn_random_together_or_apart(
    pairing: Literal["joint", "independent"], expected: float
) -> None:
    config = Mixture(
        specific_means=CONTRASTS,
        specific_stds=WIDTHS,
        specific_pairing=pairing,
        specific_probability=0.5,
    )
    pairs = _tissue_pairs(config, 600)[:, 0]
    both = np.isin(pairs[:, 0], [60, 90, 120]) & np.isin(pairs[:, 1], [6, 9, 12])
    assert both.mean() == pytest.approx(expected, abs=0.06)


def test_negative_draws_become_zero() -> None:
    means, stds = _drawn(Mixture(means=Prior(distribution="normal", rows=((-50.0, 1.0),))), 20)
    assert not means[:, TISSUE].any()
    assert stds.min() >= 0


def test_intensities_are_distributed_as_the_official_ones(
    recorded_layer: ReadLayer,
) -> None:
    recorded = recorded_layer("model_inputs_uniform_draws")
    np.testing.assert_array_equal(recorded["generation_classes"], GENERATION_V1.classes)
    _same_distributions(_drawn(Mixture(), 3000), recorded, (0, 1, 25, 40))


def test_mixed_contrasts_are_distributed_as_the_official_ones(
    shared_data: Path, recorded_layer: ReadLayer
) -> None:
    """Normal T1 priors, half of them replaced by random ones, means and deviations apart."""
    folder = shared_data / "label_tables"
    specific = [_official_prior(folder / f"prior_{name}_t1.npy") for name in ("means", "stds")]
    config = Mixture(
        # The bounds of its uniform default serve the original as mean and deviation here.
        means=Prior(distribution="normal", rows=((0.0, 250.0),)),
        stds=Prior(distribution="normal", rows=((0.0, 30.0),)),
        specific_means=(specific[0],),
        specific_stds=(specific[1],),
        specific_probability=0.5,
        specific_pairing="independent",
    )
    labels = GenerationLabels(
        GENERATION_V1.values,
        GENERATION_V1.n_neutral,
        CONTRAST_SPECIFIC_CLASSES,
        GENERATION_V1.targets,
    )
    recorded = recorded_layer("model_inputs_t1_mixed_draws")
    _same_distributions(_drawn(config, 2000, labels=labels), recorded, (0, 1, 4, 18, 19, 25))


def _official_prior(path: Path) -> Prior:
    if not path.is_file():
        pytest.skip(f"no official priors: {path} is missing")
    return Prior(distribution="normal", rows=tuple(map(tuple, np.load(path).T.tolist())))


def _same_distributions(
    ours: Sequence[NDArray[np.float64]], recorded: dict[str, NDArray[Any]], labels: Iterable[int]
) -> None:
    for part, theirs in zip(ours, (recorded["means"], recorded["stds"]), strict=True):
        for label in labels:
            assert ks_2samp(part[:, label, 0], theirs[:, label]).pvalue > 1e-3


def test_bias_fields_spread_as_a_uniform_draw_of_their_deviation_says() -> None:
    """The original's 5 % without a field, then deviations even between 0 and 0.7."""
    rng = np.random.default_rng(1)
    fields = [draw_bias_field(BiasField(), (640, 640, 640), rng).std() for _ in range(300)]
    present = np.array(fields)[np.array(fields) > 0]
    assert len(present) / len(fields) == pytest.approx(0.95, abs=0.04)
    assert kstest(present, "uniform", args=(0, 0.7)).pvalue > 1e-3


def test_released_crops_have_four_bias_nodes_a_side() -> None:
    assert find_bias_shape(BiasField(), (160, 160, 160)) == (4, 4, 4)
