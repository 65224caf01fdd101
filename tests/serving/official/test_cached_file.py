"""One file of weights is imported into the cache as a whole folder is."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from synthseg_serving.errors import WeightsError
from synthseg_serving.official.cache import cached_file
from synthseg_serving.official.networks import QUALITY, OfficialNetwork


def _write(path: Path, network: OfficialNetwork) -> Path:
    """A file of a network's weights, all zeros: enough to be recognised and exported."""
    with h5py.File(path, "w") as file:
        for name, shape in network.shapes.items():
            layer, variable = name.split("/")
            file.create_dataset(f"{layer}/{layer}/{variable}:0", data=np.zeros(shape, np.float32))
    return path


def test_a_file_of_any_name_is_imported_once_and_anew_when_it_changes(tmp_path: Path) -> None:
    path, cache = _write(tmp_path / "mine.weights", QUALITY), tmp_path / "cache"
    found = cached_file(path, cache)
    assert found.name == QUALITY.served_name
    assert (found / "1/saved_model.pb").is_file()
    written = (found / "1/saved_model.pb").stat().st_mtime_ns
    assert cached_file(path, cache) == found
    assert (found / "1/saved_model.pb").stat().st_mtime_ns == written
    os.utime(path, ns=(1, 1))
    assert cached_file(path, cache) != found


def test_what_is_wrong_is_told_by_the_file_s_own_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.h5"
    path.write_text("none")
    for _ in range(2):
        with pytest.raises(WeightsError, match=f"^{path} is no HDF5 file"):
            cached_file(path, tmp_path / "cache")
    with pytest.raises(WeightsError, match=r"gone\.h5"):
        cached_file(tmp_path / "gone.h5", tmp_path / "cache")
