from __future__ import annotations

import numpy as np
from synthseg_client.answers.posteriors import CleanPosteriors


def test_equally_probable_channels_give_the_lowest() -> None:
    clean = CleanPosteriors(
        (1, 1, 1),
        np.array([0]),
        np.array([[0], [7], [3]]),
        np.array([[0.2], [0.4], [0.4]], np.float32),
    )
    assert clean.best_channels().item() == 3
