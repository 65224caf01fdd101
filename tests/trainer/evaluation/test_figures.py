"""Figures are drawn whatever is missing from the scores."""

from pathlib import Path

import numpy as np
import pytest
from synthseg_trainer.evaluation.comparison import Scores
from synthseg_trainer.evaluation.figures import draw_box_plot, draw_curves
from synthseg_trainer.evaluation.label_lists import LabelList

LABELS = LabelList((3, 42), ("left cortex", "right cortex"))
PNG = b"\x89PNG"


def _scores(distance: float) -> Scores:
    values = {"dice": np.full((2, 3), 0.5), "hausdorff": np.full((2, 3), distance)}
    return Scores(("one", "two"), LABELS, values)


@pytest.mark.parametrize("distance", [2.0, float("nan")])
def test_two_sets_are_drawn_beside_each_other(tmp_path: Path, distance: float) -> None:
    sets = {"first": _scores(1.0), "second": _scores(distance)}
    draw_box_plot(tmp_path / "box.png", sets, "mm")
    assert (tmp_path / "box.png").read_bytes().startswith(PNG)


def test_a_checkpoint_without_a_score_leaves_a_gap(tmp_path: Path) -> None:
    scores = np.array([[[0.1, 0.2]], [[np.nan, np.nan]], [[0.3, 0.5]]])
    draw_curves(tmp_path / "curves.png", [1, 2, 3], scores, LABELS.names, best=2)
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)
