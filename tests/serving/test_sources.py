"""A network is the same to the export wherever it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthseg_serving.errors import ExportError
from synthseg_serving.sources import read_source
from synthseg_trainer.network.bundle import Bundle, save_bundle
from synthseg_trainer.network.exchange import write_keras_weights


def test_weights_from_keras_are_the_bundle_that_they_were(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "small.npz", bundle)
    write_keras_weights(tmp_path / "small.weights.h5", bundle)
    one, other = (read_source(tmp_path / name) for name in ("small.npz", "small.weights.h5"))
    assert (one.network, one.labels, one.info) == (other.network, other.labels, other.info)
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        np.testing.assert_array_equal(value, other.weights[name], err_msg=name)


def test_weights_without_settings_say_what_is_missing(bundle: Bundle, tmp_path: Path) -> None:
    write_keras_weights(tmp_path / "small.weights.h5", bundle)
    (tmp_path / "small.json").unlink()
    with pytest.raises(ExportError, match=r"small\.json.*Weights from Keras need their settings"):
        read_source(tmp_path / "small.weights.h5")
