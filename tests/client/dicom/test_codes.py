from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydicom.sr.codedict import Collection
from synthseg_client.dicom import codes
from synthseg_client.dicom.codes import LEFT, RIGHT, display_colour, structure_of
from synthseg_common.labels import STRUCTURE_NAMES, SYNTHSEG_V1, SYNTHSEG_V2
from synthseg_common.parcels import PARCELS

VOLUMETRY, NERVOUS_SYSTEM, CATEGORIES, SIDES = 7140, 7153, 7150, 244


def standard_codes(*groups: int) -> dict[tuple[str, str], str]:
    """Codes and meanings of context groups of the standard."""
    collections = [Collection(f"CID{group}") for group in groups]
    concepts = [code for found in collections for code in found.concepts.values()]
    return {(code.scheme_designator, code.value): code.meaning for code in concepts}


@pytest.mark.parametrize("value", SYNTHSEG_V2.values[1:])
def test_every_structure_has_the_standards_code(value: int) -> None:
    structure = structure_of(value, STRUCTURE_NAMES[value])
    known = standard_codes(VOLUMETRY, NERVOUS_SYSTEM)
    code = (structure.type.scheme_designator, structure.type.value)
    assert known[code].lower() == structure.type.meaning.lower()
    category = (structure.category.scheme_designator, structure.category.value)
    assert standard_codes(CATEGORIES)[category] == structure.category.meaning


def test_sides_are_told_and_differ_in_nothing_else() -> None:
    for index, other in enumerate(SYNTHSEG_V1.flip_channels):
        value, partner = SYNTHSEG_V1.values[index], SYNTHSEG_V1.values[other]
        one, two = structure_of(value, ""), structure_of(partner, "")
        if value and value < partner:
            assert (one.side, two.side) == (LEFT, RIGHT)
            assert one.type == two.type
        elif value and value == partner:
            assert one.side is None


def test_parcels_have_a_code_of_the_standard_or_our_own_within_the_cortex() -> None:
    found = {
        name: structure_of(value, name)
        for value, name in zip(PARCELS.values[1:], PARCELS.names[1:], strict=True)
    }
    assert found["ctx-lh-insula"].type.value == "36169008"
    assert found["ctx-rh-insula"].side == RIGHT
    cuneus = found["ctx-lh-cuneus"]
    assert (cuneus.type.value, cuneus.type.scheme_designator) == ("1005", "99SYNTHSEG")
    assert cuneus.region is not None
    assert cuneus.region.meaning == "Cerebral cortex"
    assert len({(s.type.value, s.side and s.side.value) for s in found.values()}) == 68


def test_other_anatomies_have_codes_of_their_own() -> None:
    structure = structure_of(10, "left kidney", is_brain=False)
    assert structure.type.scheme_designator == "99SYNTHSEG"
    assert structure.type.meaning == "left kidney"
    assert structure.region is None
    assert structure_of(77, "lesion").region is not None


def test_colours_come_back_as_they_were() -> None:
    red, green, blue = display_colour(17).to_rgb()
    assert (round(red), round(green), round(blue)) == pytest.approx((220, 216, 20), abs=1)


@pytest.mark.skipif("DCMQI_REPOSITORY" not in os.environ, reason="dcmqi's table is not here")
def test_codes_are_those_of_dcmqi_and_slicer() -> None:
    """Where dcmqi's table has a structure, it is under our code."""
    folder = Path(os.environ["DCMQI_REPOSITORY"]) / "doc" / "segContexts"
    table = json.loads((folder / "SegmentationCategoryTypeModifier-DICOM-Master.json").read_text())
    theirs = {
        kind["CodeMeaning"].lower(): kind["CodeValue"]
        for category in table["SegmentationCodes"]["Category"]
        for kind in category["Type"]
    }
    for _, value, meaning in codes._CODES.values():
        assert theirs.get(meaning.lower(), value) == value
