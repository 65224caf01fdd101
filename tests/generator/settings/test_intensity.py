"""Settings of intensities."""

from __future__ import annotations

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.intensity import BiasField, Mixture, Prior


@pytest.mark.parametrize(
    ("distribution", "row", "complaint"),
    [
        ("uniform", (2.0, 1.0), "low <= high"),
        ("normal", (0.0, -1.0), "a deviation >= 0"),
        ("normal", (float("nan"), 1.0), "finite numbers"),
    ],
)
def test_a_prior_that_nothing_can_be_drawn_from_is_refused(
    distribution: str, row: tuple[float, float], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Prior(distribution=distribution, rows=(row,))  # type: ignore[arg-type]  # as files give it


def test_the_mean_of_a_normal_prior_may_lie_above_its_deviation() -> None:
    assert Prior(distribution="normal", rows=((200.0, 10.0),)).rows == ((200.0, 10.0),)


def test_contrasts_drawn_together_are_as_many_of_each_and_others_need_not_be() -> None:
    known = (Prior(rows=((0.0, 1.0),)),)
    with pytest.raises(ConfigError, match="1 specific_means and 0 specific_stds"):
        Mixture(specific_means=known)
    assert Mixture(specific_means=known, specific_pairing="independent").specific_stds == ()


def test_a_bias_field_has_at_most_a_node_per_voxel() -> None:
    assert BiasField(scale=1.0).scale == 1
    with pytest.raises(ConfigError, match=r"bias_field\.scale must not exceed 1"):
        BiasField(scale=1.1)
