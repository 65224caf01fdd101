from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dicom_files import Made, rewrite
from pydicom.dataset import Dataset
from synthseg_client.dicom.origin import Origin
from synthseg_client.errors import OutputError


def test_sources_come_in_the_order_of_slices_without_pixels(
    segmented: Callable[..., Origin],
) -> None:
    sources = segmented().sources
    assert [source.InstanceNumber for source in sources] == list(range(1, 25))
    assert not any("PixelData" in source for source in sources)


def test_what_modules_need_is_there_even_if_the_source_lacks_it(
    segmented: Callable[..., Origin], tmp_path: Path
) -> None:
    origin = segmented()

    def forget(data: Dataset) -> None:
        del data.PatientSex, data.ReferringPhysicianName

    rewrite(list((tmp_path / "source").iterdir()), forget)
    source = origin.sources[0]
    assert source.PatientSex in (None, "")
    assert source.PatientID == "SECRET-77"


def test_numbers_of_new_series_show_the_source(segmented: Callable[..., Origin]) -> None:
    origin = segmented(Made(fields={"SeriesNumber": 12}))
    assert (origin.series_number(1), origin.series_number(2)) == (1201, 1202)


def test_device_and_algorithm_name_program_and_model(segmented: Callable[..., Origin]) -> None:
    origin = segmented()
    (algorithm,) = origin.algorithm()
    assert algorithm.AlgorithmName == "SynthSeg"
    assert origin.result.model.title in algorithm.AlgorithmVersion
    assert "fast=false" in algorithm.AlgorithmParameters
    assert len(origin.device_serial) == 16
    assert origin.device_uid == Origin(origin.series, origin.result).device_uid


def test_a_source_that_went_away_is_told(segmented: Callable[..., Origin], tmp_path: Path) -> None:
    origin = segmented()
    next((tmp_path / "source").iterdir()).unlink()
    with pytest.raises(OutputError, match="went away"):
        _ = origin.sources
