"""Where the released weights are looked for, and what is said when they are not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_common import contract
from synthseg_common.errors import WRONG_USE, exit_code_of
from synthseg_common.official_weights import (
    FILES,
    OfficialWeightsError,
    find_official,
    has_model,
    refuse_missing,
)


@pytest.fixture(autouse=True)
def _no_weights_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SYNTHSEG_MODELS", "FREESURFER_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_own_folder_stands_before_freesurfers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "fs" / "models").mkdir(parents=True)
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("FREESURFER_HOME", str(tmp_path / "fs"))
    assert find_official() == tmp_path / "fs" / "models"
    monkeypatch.setenv("SYNTHSEG_MODELS", "")
    assert find_official() == tmp_path / "fs" / "models"
    monkeypatch.setenv("SYNTHSEG_MODELS", str(tmp_path / "own"))
    assert find_official() == tmp_path / "own"


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        (None, "neither SYNTHSEG_MODELS nor FREESURFER_HOME is set"),
        ("SYNTHSEG_MODELS", "/none is no folder, as SYNTHSEG_MODELS has it"),
        ("FREESURFER_HOME", "/none/models is no folder, as FREESURFER_HOME has it"),
    ],
)
def test_two_lines_say_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str | None, told: str
) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    with pytest.raises(OfficialWeightsError) as caught:
        find_official()
    what, how = str(caught.value).splitlines()
    assert told in what
    assert "FreeSurfer 7.3" in how
    assert "SYNTHSEG_MODELS" in how
    assert "synthseg_2.0.h5" in how
    assert exit_code_of(caught.value) == WRONG_USE


def test_files_are_known_by_name(tmp_path: Path) -> None:
    (tmp_path / "synthseg_robust_2.0.h5").touch()
    assert [name for name in FILES if has_model(tmp_path, name)] == [contract.ROBUST_MODEL_NAME]
    refuse_missing(tmp_path, [contract.ROBUST_MODEL_NAME])
    with pytest.raises(OfficialWeightsError, match=r"lacks synthseg_2\.0\.h5 and synthseg_qc_2"):
        refuse_missing(tmp_path, [contract.MODEL_NAME, contract.QUALITY_MODEL_NAME])


def test_served_models_are_known_by_their_versions(tmp_path: Path) -> None:
    (tmp_path / "models.config").touch()
    (tmp_path / contract.PARCELS_MODEL_NAME / "1").mkdir(parents=True)
    assert not has_model(tmp_path, contract.PARCELS_MODEL_NAME), "a version is still copied"
    (tmp_path / contract.PARCELS_MODEL_NAME / "1" / "saved_model.pb").touch()
    assert has_model(tmp_path, contract.PARCELS_MODEL_NAME)
    with pytest.raises(OfficialWeightsError, match=r"no synthseg_v1.\nAdd what synthseg_1\.0\.h5"):
        refuse_missing(tmp_path, [contract.V1_MODEL_NAME, contract.PARCELS_MODEL_NAME])
