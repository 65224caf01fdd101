"""Priors as a settings file writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import (
    Prior,
    generator_settings,
)


def test_a_prior_may_be_one_pair() -> None:
    assert generator_settings({"mixture": {"means": [25, 225]}}).mixture.means == Prior(
        rows=((25, 225),)
    )


KNOWN_CONTRAST = Prior(distribution="normal", rows=((10.0, 1.0), (20.0, 2.0)))


def test_priors_are_read_from_the_original_s_arrays(tmp_path: Path) -> None:
    table = np.array([[10.0, 20.0], [1.0, 2.0], [30.0, 40.0], [3.0, 4.0]])
    np.save(tmp_path / "means.npy", table)
    np.save(tmp_path / "one.npy", table[:2])
    file = {"distribution": "normal", "file": str(tmp_path / "means.npy")}
    mixture = {
        "specific_means": file,
        "specific_stds": file,
        "means": {"file": str(tmp_path / "one.npy"), "distribution": "normal"},
    }
    settings = generator_settings({"mixture": mixture}).mixture
    assert settings.specific_means[0] == KNOWN_CONTRAST
    assert settings.specific_means[1].rows == ((30, 3), (40, 4))
    assert settings.means == KNOWN_CONTRAST


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "no readable NumPy array"), (np.zeros((3, 4)), r"shape \(3, 4\), expected two rows")],
)
def test_files_without_priors_are_refused_by_name(
    tmp_path: Path, content: NDArray[np.float64] | None, complaint: str
) -> None:
    path = tmp_path / "priors.npy"
    if content is not None:
        np.save(path, content)
    with pytest.raises(ConfigError, match=f"mixture.specific_means.*priors.npy.*{complaint}"):
        generator_settings({"mixture": {"specific_means": {"file": str(path)}}})


@pytest.mark.parametrize("several", [False, True])
def test_an_empty_file_and_one_of_several_arrays_are_no_priors(
    tmp_path: Path, several: bool
) -> None:
    path = tmp_path / "priors.npz"
    path.touch()
    if several:
        np.savez(path, means=np.zeros((2, 3)))
    with pytest.raises(ConfigError, match=r"priors\.npz is no readable NumPy array"):
        generator_settings({"mixture": {"specific_means": {"file": str(path)}}})


def test_several_priors_are_no_single_one(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.zeros((4, 5)))
    with pytest.raises(ConfigError, match=r"mixture.means.*two.npy holds 2 priors"):
        generator_settings({"mixture": {"means": {"file": str(tmp_path / "two.npy")}}})
