from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import AXIAL, CORONAL, SAGITTAL, Made, write_multi_frame, write_series
from synthseg_client.dicom.archive import Reader, dicom_files
from synthseg_client.dicom.headers import read_header
from synthseg_client.dicom.stacks import Stack, stacks_of


def stacks(folder: Path) -> list[Stack]:
    with Reader() as reader:
        headers = [read_header(file, reader) for file in dicom_files(folder)]
    return stacks_of(header for header in headers if header is not None)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL])
def test_slices_are_put_in_order_of_their_place(
    tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    write_series(tmp_path, Made(orientation=orientation))
    (stack,) = stacks(tmp_path)
    assert [frame.header.order[1] for frame in stack.frames] == list(range(1, 25))
    assert stack.shape == (40, 36, 24)
    assert stack.pixel_mm == (1.5, 2.0)
    np.testing.assert_allclose(stack.gaps_mm, 3)
    assert len(stack.headers) == 24


def test_a_file_of_many_slices_is_one_stack(tmp_path: Path) -> None:
    write_multi_frame(tmp_path / "x")
    (stack,) = stacks(tmp_path)
    assert len(stack.frames) == 24
    assert len(stack.headers) == 1


def test_other_directions_sizes_and_echoes_are_other_stacks(tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", Made(orientation=SAGITTAL, shape=(40, 36, 3)))
    write_series(tmp_path / "c", Made(shape=(32, 36, 20)))
    write_series(tmp_path / "d", Made(fields={"EchoTime": 80.0}))
    found = stacks(tmp_path)
    assert [len(stack.frames) for stack in found] == [24, 24, 20, 3]
    assert [stack.frames[0].place.echo_ms for stack in found[:2]] == [2.5, 80.0]


def test_magnitude_goes_before_phase(tmp_path: Path) -> None:
    for part in ("P", "M"):
        write_series(tmp_path / part, Made(fields={"ImageType": ["ORIGINAL", "PRIMARY", part]}))
    assert [stack.frames[0].place.part for stack in stacks(tmp_path)] == ["magnitude", "phase"]


def test_of_volumes_over_time_the_first_is_taken(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        write_series(tmp_path / str(number), Made(fields={"AcquisitionNumber": number}))
    (stack,) = stacks(tmp_path)
    assert stack.n_volumes == 3
    assert {frame.header.order[0] for frame in stack.frames} == {1}
