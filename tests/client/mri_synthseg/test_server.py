from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.errors import UnknownModelError, UsageError
from synthseg_client.mri_synthseg.arguments import Arguments
from synthseg_client.mri_synthseg.server import (
    connect,
    kept_server,
    local_models,
    refuse_missing_weights,
)
from synthseg_common.official_weights import OfficialWeightsError

PLAIN = "synthseg_2.0.h5"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`$FREESURFER_HOME/models` with empty files of all networks."""
    folder = tmp_path / "freesurfer/models"
    folder.mkdir(parents=True)
    for name in (PLAIN, "synthseg_robust_2.0.h5", "synthseg_parc_2.0.h5", "synthseg_qc_2.0.h5"):
        (folder / name).touch()
    monkeypatch.setenv("FREESURFER_HOME", str(folder.parent))
    return folder


def _refuse(arguments: Arguments) -> None:
    refuse_missing_weights(arguments, arguments.options())


def test_a_missing_file_of_a_network_that_is_asked_for_is_named(weights: Path) -> None:
    _refuse(Arguments(robust=True, parc=True, qc="q.csv"))
    (weights / "synthseg_parc_2.0.h5").unlink()
    _refuse(Arguments(robust=True, qc="q.csv"))
    with pytest.raises(OfficialWeightsError, match=r"lacks synthseg_parc_2\.0\.h5") as error:
        _refuse(Arguments(parc=True))
    assert len(str(error.value).splitlines()) == 2
    with pytest.raises(OfficialWeightsError, match=r"lacks synthseg_1\.0\.h5"):
        _refuse(Arguments(v1=True))


def test_networks_that_are_not_asked_for_may_be_missing(weights: Path) -> None:
    (weights / PLAIN).unlink()
    _refuse(Arguments(robust=True))
    with pytest.raises(OfficialWeightsError, match=r"lacks synthseg_2\.0\.h5"):
        _refuse(Arguments())


def test_without_any_weights_it_is_told_how_to_get_some() -> None:
    with pytest.raises(OfficialWeightsError, match="SYNTHSEG_MODELS") as error:
        _refuse(Arguments())
    assert len(str(error.value).splitlines()) == 2
    _refuse(Arguments(server="h:1"))


def test_our_own_variable_counts_before_freesurfers(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("SYNTHSEG_MODELS", str(tmp_path / "mine"))
    with pytest.raises(OfficialWeightsError, match=f"mine lacks {PLAIN}"):
        _refuse(Arguments())


def test_a_model_of_ones_own_needs_no_other_weights(tmp_path: Path) -> None:
    (tmp_path / "m.h5").touch()
    arguments = Arguments(model=str(tmp_path / "m.h5"))
    _refuse(arguments)
    assert local_models(arguments, arguments.options()).arguments() == []
    with pytest.raises(UsageError, match=r"The provided model path does not exist: --model x\.h5"):
        _refuse(Arguments(model="x.h5"))


def _address(arguments: Arguments) -> str:
    return kept_server(arguments, arguments.options()).address


def test_calls_share_a_kept_server_whatever_they_ask_it(weights: Path, kept_folder: Path) -> None:
    plain = _address(Arguments(keep_server=5))
    assert plain == _address(Arguments(keep_server=9, fast=True, parc=True))
    assert plain == _address(Arguments(keep_server=5, robust=True, qc="q.csv"))
    assert plain != _address(Arguments(keep_server=5, threads=2))
    assert plain != _address(Arguments(keep_server=5, cpu=True))
    assert plain != _address(Arguments(keep_server=5, model=str(weights / PLAIN)))
    (weights / "synthseg_qc_2.0.h5").write_bytes(b"new")
    assert plain != _address(Arguments(keep_server=5))


def test_a_server_that_was_named_is_asked(address: str) -> None:
    arguments = Arguments(server=address)
    with connect(arguments, arguments.options()) as connected:
        assert connected.session.describe().n_labels == 4
        assert connected.pid() is None
    lacking = Arguments(server=address, robust=True)
    with (
        pytest.raises(UnknownModelError, match="synthseg_robust, which --robust needs"),
        connect(lacking, lacking.options()),
    ):
        pass


def test_weights_of_another_table_are_refused(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "m.h5").touch()
    arguments = Arguments(model=str(tmp_path / "m.h5"))
    said = r"answers 4 labels, expected the 33 of SynthSeg 2\.0\.$"
    with pytest.raises(UsageError, match=said), connect(arguments, arguments.options()):
        pass


def test_a_kept_server_is_asked_and_stays(
    stand_in: Path, weights: Path, kept_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthseg_client.mri_synthseg.kept_server.is_installed", lambda: True)
    arguments = Arguments(keep_server=5)
    pids = []
    for _ in range(2):
        with connect(arguments, arguments.options()) as connected:
            assert connected.session.describe().n_labels == 4
            pids.append(connected.pid())
    assert pids[0] == pids[1] is not None
    (log,) = kept_folder.glob("*.log")
    assert f"'--official', '{weights}', '--on-demand', '--threads', '1'" in log.read_text()
