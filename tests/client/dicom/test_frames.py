from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import PATIENT, Made, write_magnitude_and_phase, write_multi_frame
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless
from synthseg_client.dicom.archive import Packed, Reader
from synthseg_client.dicom.frames import write_frames
from synthseg_client.dicom.headers import Place, read_header


def places_of(path: Path) -> tuple[Place, ...]:
    with Reader() as reader:
        header = read_header(Packed(path), reader)
    assert header is not None
    return header.places


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_chosen_frames_are_written_with_their_place(tmp_path: Path, syntax: UID) -> None:
    path = write_magnitude_and_phase(tmp_path / "x")
    data = dcmread(path)
    if syntax.is_encapsulated:
        data.compress(syntax)
    chosen = [place for place in places_of(path) if place.part == "phase"][3:6]
    (tmp_path / "out").mkdir()
    write_frames(data, syntax, chosen, tmp_path / "out", start=7)
    written = [dcmread(found) for found in sorted((tmp_path / "out").iterdir())]
    assert [one.InstanceNumber for one in written] == [8, 9, 10]
    for one, index in zip(written, (3, 4, 5), strict=True):
        np.testing.assert_array_equal(one.pixel_array, 4000 - Made().image()[index])
        np.testing.assert_allclose(one.ImagePositionPatient, Made().position(index))
        assert list(one.PixelSpacing) == [2.0, 1.5]
        assert not any(keyword in one for keyword in PATIENT)


def test_values_are_scaled_as_the_file_says(tmp_path: Path) -> None:
    path = write_multi_frame(tmp_path / "x", Made(modality="CT"))
    data, change = dcmread(path), Dataset()
    change.RescaleSlope, change.RescaleIntercept = 2, -1024
    data.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = [change]
    (tmp_path / "out").mkdir()
    write_frames(data, ExplicitVRLittleEndian, places_of(path)[:1], tmp_path / "out")
    (written,) = map(dcmread, (tmp_path / "out").iterdir())
    assert (written.RescaleSlope, written.RescaleIntercept) == (2, -1024)
    assert written.Modality == "CT"


def test_missing_pixels_are_told(tmp_path: Path) -> None:
    path = write_multi_frame(tmp_path / "x")
    data = dcmread(path)
    data.PixelData = data.PixelData[:5000]
    with pytest.raises(ValueError, match="fewer pixels than 24 frames"):
        write_frames(data, ExplicitVRLittleEndian, places_of(path)[20:], tmp_path)
