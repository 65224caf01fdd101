"""A client sends nothing that the model says it would refuse."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from contract_server import ContractServer
from synthseg_client.calls.session import Session
from synthseg_client.errors import RequestTooLargeError
from synthseg_client.geometry.crop import Box
from synthseg_client.inputs.scans import Scan, read_scan
from synthseg_client.options import Crop, Options
from synthseg_client.segmentation.budget import grown_within
from synthseg_client.segmentation.one_scan import segment_scan
from synthseg_common import contract
from synthseg_common.images import Placement
from typed import there

MM = np.diag([1.0, 1, 1, 1])


@pytest.fixture
def scan(save_scan: Callable[..., Path], tmp_path: Path) -> Scan:
    """150 x 40 x 30 voxels of 1 mm: a network grid of 160 x 64 x 32 where no more is asked for."""
    return read_scan(save_scan(tmp_path / "long.nii.gz", shape=(150, 40, 30), affine=MM))


def test_a_scan_that_does_not_fit_is_refused_before_it_is_sent(
    session: Session, model: ContractServer, scan: Scan
) -> None:
    model.info = {contract.MAX_VOXELS: 128**3}
    with pytest.raises(RequestTooLargeError) as error:
        segment_scan(scan, session, Options(crop=Crop.none()))
    assert str(error.value) == (
        f"{scan.path}: the network would work on a grid of 160 x 128 x 128, which counts as "
        "2621440 voxels; model synthseg:1 takes 2097152 at most, 1024 per axis: use a smaller "
        "--crop, as --crop 128."
    )
    assert model.requests == []


def test_the_way_out_that_is_named_works(
    session: Session, model: ContractServer, scan: Scan
) -> None:
    model.info = {contract.MAX_VOXELS: 128**3}
    result = segment_scan(scan, session, Options(crop=Crop.of_size([128])))
    assert result.passes == 1
    assert len(model.requests) == 1


def test_a_crop_larger_than_the_model_takes_is_refused(
    session: Session, model: ContractServer, scan: Scan
) -> None:
    model.info = {contract.MAX_VOXELS: 320**3}
    with pytest.raises(RequestTooLargeError, match=r"512 x 512 x 512, .* as --crop 320\.$"):
        segment_scan(scan, session, Options(crop=Crop.of_size([512])))
    with pytest.raises(RequestTooLargeError, match=r"1056 x 32 x 32, .*, 1024 per axis"):
        segment_scan(scan, session, Options(crop=Crop.of_size([1025, 32, 32])))
    assert model.requests == []


def test_less_than_a_slab_of_x_does_not_make_room(
    session: Session, model: ContractServer, scan: Scan
) -> None:
    model.info = {contract.MAX_VOXELS: 128**3}
    with pytest.raises(
        RequestTooLargeError, match=r"32 x 160 x 128, which counts as 2621440 voxels"
    ):
        segment_scan(scan, session, Options(crop=Crop.of_size([32, 160, 128])))


def test_a_model_that_does_not_tell_a_budget_is_asked(
    session: Session, model: ContractServer, scan: Scan
) -> None:
    segment_scan(scan, session, Options(crop=Crop.none()))
    assert len(model.requests) == 1


def long_structure() -> Scan:
    """A bright bar that reaches both ends of 250 voxels."""
    image = np.zeros((250, 40, 40), np.float32)
    image[:, 15:25, 15:25] = 100
    return Scan(path=Path("bar.nii"), image=image, placement=Placement.of(MM))


def test_the_part_grows_no_further_than_the_model_takes(
    session: Session, model: ContractServer
) -> None:
    model.info = {contract.MAX_VOXELS: 192 * 128 * 128}
    result = segment_scan(long_structure(), session, Options(crop=Crop(limit=128)))
    assert [request[contract.IMAGE].shape for request in model.requests] == [
        (128, 40, 40),
        (192, 40, 40),
    ]
    assert result.warnings[-1].endswith(
        "side of the crop: a larger one may be needed, and the model takes no larger one"
    )


def test_the_part_grows_by_less_where_all_is_too_much(
    session: Session, model: ContractServer
) -> None:
    unbounded = segment_scan(long_structure(), session, Options(crop=Crop(limit=128)))
    assert unbounded.warnings[-1].endswith("enlarged it")
    told = session.describe()
    served = dataclasses.replace(told, info={**told.info, contract.MAX_VOXELS: 224 * 128 * 128})
    box, sides, least = Box((60, 0, 0), (188, 40, 40)), [(0, 0), (0, 1)], (128,) * 3
    larger = there(grown_within(served, box, sides, (250, 40, 40), 64, least))
    assert larger.shape == (192, 40, 40)
    assert grown_within(served, larger, sides, (250, 40, 40), 64, least) is None
