from typing import Any

import pytest
from synthseg_trainer.config import LossWeights, Stage
from synthseg_trainer.errors import ConfigError


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"background": 0}, "background must be positive"),
        ({"boundary": -1}, "boundary must not be negative"),
        ({"boundary_distance": 0}, "boundary_distance at least 1"),
        ({"classes": (1, -1)}, "classes must not be negative"),
        ({"classes": (0, 0)}, "nor all 0"),
        ({"classes": ()}, "classes"),
        ({"classes": (1, 1), "inverse_volume": True}, "not both"),
    ],
)
def test_weights_that_weigh_nothing_are_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        LossWeights(**wrong)


@pytest.mark.parametrize("weights", [{"inverse_volume": True}, {"boundary": 1.0}])
def test_the_warm_up_refuses_weights_that_it_does_not_know(
    weights: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError, match="wl2 weighs the background alone"):
        Stage(name="s", steps=1, loss="wl2", weights=LossWeights(**weights))


@pytest.mark.parametrize("loss", ["dice", "cross_entropy", "dice_cross_entropy"])
def test_other_losses_refuse_the_weight_of_the_warm_up(loss: str) -> None:
    with pytest.raises(ConfigError, match=r"weights\.background is for wl2"):
        Stage(name="s", steps=1, loss=loss, weights=LossWeights(background=0.1))


@pytest.mark.parametrize("rates", [{"learning_rate": 0}, {"final_learning_rate": -1}])
def test_rates_that_are_not_positive_are_refused(rates: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="learning rates must be positive"):
        Stage(name="s", steps=1, **rates)


def test_a_rate_without_an_end_stays() -> None:
    stage = Stage(name="s", steps=3, learning_rate=0.1)
    assert [stage.learning_rate_at(step) for step in range(3)] == [0.1, 0.1, 0.1]


def test_learning_rate_follows_a_cosine_to_its_end() -> None:
    stage = Stage(name="s", steps=3, learning_rate=1.0, final_learning_rate=0.5)
    assert [stage.learning_rate_at(step) for step in range(3)] == pytest.approx([1.0, 0.75, 0.5])
