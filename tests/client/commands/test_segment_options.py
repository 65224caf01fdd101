from __future__ import annotations

from synthseg_client.commands.segment import chosen_options, parse_crop
from synthseg_client.commands.segment_options import Course, Modes, Places, Telling
from synthseg_client.options import Crop, Options


def test_without_words_the_options_are_those_of_the_library() -> None:
    assert chosen_options(Modes()) == Options()
    assert Course() == Course(jobs=2, requests=1, resume=False, sidecar=True, tables=False)
    assert Telling() == Telling(as_json=False, quiet=False, verbose=False)


def test_only_the_scans_have_to_be_named() -> None:
    places = Places(scans=("s.nii",))
    assert places.labels is places.posteriors is places.resampled is places.volumes is None


def test_a_crop_is_one_number_or_three_or_none() -> None:
    assert parse_crop(None) == Crop()
    assert parse_crop("none") == Crop.none()
    assert parse_crop("64").size == (64, 64, 64)
    assert parse_crop("40,64,80").size == (64, 64, 96)
