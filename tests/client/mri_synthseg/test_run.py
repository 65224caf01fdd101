from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from contract_server import ContractServer
from synthseg_client.errors import OutputError
from synthseg_client.mri_synthseg.arguments import Arguments
from synthseg_client.mri_synthseg.run import label_file_form, run
from synthseg_client.results.embedded_colours import Embedded


def test_colours_are_embedded_unless_they_are_not_wanted() -> None:
    assert label_file_form(Arguments()).embedded is Embedded.ALL
    assert label_file_form(Arguments(addctab=True, noaddctab=True)).embedded is Embedded.NONE


def test_of_a_scan_of_few_volumes_the_average_is_segmented(
    address: str, model: ContractServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volumes = np.random.default_rng(0).random((32, 32, 32, 2), np.float32)
    nib.save(nib.Nifti1Image(volumes, np.eye(4)), tmp_path / "s.nii.gz")
    arguments = Arguments(
        i=str(tmp_path / "s.nii.gz"), o=str(tmp_path / "l.nii.gz"), crop=[32], server=address
    )
    assert run(arguments) == 0
    (request,) = model.requests
    np.testing.assert_allclose(request["image"], volumes.mean(axis=-1), rtol=1e-5)
    assert "holds 2 volumes: used their average" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_before_a_server_is_asked(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    (tmp_path / "file").touch()
    arguments = Arguments(
        i=str(save_scan(tmp_path / "s.nii.gz")), o=str(tmp_path / "file/out"), server=address
    )
    with pytest.raises(OutputError, match="cannot be made: there is a file in the place"):
        run(arguments)
    assert not model.asked.is_set()


def test_a_server_s_network_that_is_not_the_original_s_is_told(
    address: str,
    model: ContractServer,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = Arguments(
        i=str(save_scan(tmp_path / "s.nii.gz")),
        o=str(tmp_path / "l.nii.gz"),
        crop=[32],
        server=address,
    )
    assert run(arguments) == 0
    said = f"warning: {address} segments with synthseg:1, which was not imported"
    assert said in capsys.readouterr().err
    model.info = {"training": {"released": "SynthSeg 2.0"}}
    assert run(arguments) == 0
    assert said not in capsys.readouterr().err
