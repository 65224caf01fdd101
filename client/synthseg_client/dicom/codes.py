"""What structures are called in DICOM: codes of SNOMED CT and of DICOM itself, and colours.

FreeSurfer's subcortical structures are those of the standard's context group 7140, "Brain Structure
for Volumetric Measurement", which was made for its volumes; where context group 7153, "CNS
Segmentation Types", has the same structure under another code, that one is taken, as dcmqi and 3D
Slicer have it. (DICOM PS3.16 as in pydicom 3.0.2; dcmqi at b6137d9e,
doc/segContexts/SegmentationCategoryTypeModifier-DICOM-Master.json.) Parcels of the cortex, and
structures of other anatomies, have no code there: they get one of our own scheme, the label value.
"""

from __future__ import annotations

from typing import NamedTuple

from highdicom.color import CIELabColor
from highdicom.sr import CodedConcept
from synthseg_common.colours import colour_of
from synthseg_common.parcels import PARCELS

PRIVATE_SCHEME = "99SYNTHSEG"
"""Designator of our own codes: private ones begin with 99 (PS3.16, section 8)."""
ANATOMICAL = CodedConcept("91723000", "SCT", "Anatomical Structure")
_TISSUE = CodedConcept("85756007", "SCT", "Tissue")
_FLUID = CodedConcept("91720002", "SCT", "Body Substance")
LEFT = CodedConcept("7771000", "SCT", "Left")
RIGHT = CodedConcept("24028007", "SCT", "Right")
_BRAIN = CodedConcept("12738006", "SCT", "Brain")
_CORTEX = CodedConcept("40146001", "SCT", "Cerebral cortex")
# FreeSurfer's values, left and right or the one; scheme, code and meaning.
_CODES = {
    (2, 41): ("SCT", "68523003", "Cerebral White Matter"),
    (3, 42): ("SCT", "40146001", "Cerebral cortex"),
    (4, 43): ("SCT", "66720007", "Lateral Ventricle"),
    (5, 44): ("SCT", "53118009", "Inferior Horn of Lateral Ventricle"),
    (7, 46): ("SCT", "33060004", "Cerebellar White Matter"),
    (8, 47): ("SCT", "25991003", "Cerebellar Cortex"),
    (10, 49): ("SCT", "42695009", "Thalamus"),
    (11, 50): ("SCT", "11000004", "Caudate Nucleus"),
    (12, 51): ("SCT", "89278009", "Putamen"),
    (13, 52): ("SCT", "14738005", "Globus Pallidus"),
    (14,): ("SCT", "49841001", "Third ventricle"),
    (15,): ("SCT", "35918002", "Fourth Ventricle"),
    (16,): ("SCT", "119238007", "Brain Stem"),
    (17, 53): ("SCT", "5366008", "Hippocampus"),
    (18, 54): ("SCT", "4958002", "Amygdala"),
    (24,): ("SCT", "65216001", "Cerebrospinal Fluid"),
    (26, 58): ("SCT", "427667007", "Nucleus Accumbens"),
    (28, 60): ("DCM", "110700", "Ventral Diencephalon"),
}
# By FreeSurfer's names of parcels; the others of the atlas have no code in the standard.
_PARCELS = {
    "entorhinal": ("SCT", "3937002", "Entorhinal Cortex"),
    "insula": ("SCT", "36169008", "Insula"),
}
_TISSUES = (2, 41, 7, 46)
_FLUIDS = (24,)
_LONGEST_MEANING = 64


class Structure(NamedTuple):
    """How DICOM names a structure.

    Attributes:
        category: Kind of thing.
        type: What it is.
        side: Left or right; None for what is on both.
        region: What it is part of, where `type` is a code that others do not know.
    """

    category: CodedConcept
    type: CodedConcept
    side: CodedConcept | None
    region: CodedConcept | None


def structure_of(value: int, name: str, *, is_brain: bool = True) -> Structure:
    """The codes of a label.

    Args:
        value: Of the label.
        name: Of the structure.
        is_brain: Whether label values are FreeSurfer's; otherwise they mean something of their own.
    """
    if not is_brain:
        return Structure(ANATOMICAL, _private(value, name), None, None)
    for values, code in _CODES.items():
        if value in values:
            side = None if len(values) == 1 else (LEFT, RIGHT)[values.index(value)]
            return Structure(_category_of(value), _concept(code), side, None)
    if value in PARCELS.values:
        side = (LEFT, RIGHT)[value // 1000 - 1]
        known = _PARCELS.get(name.rpartition("-")[2])
        if known:
            return Structure(ANATOMICAL, _concept(known), side, None)
        return Structure(ANATOMICAL, _private(value, name), side, _CORTEX)
    return Structure(ANATOMICAL, _private(value, name), None, _BRAIN)


def display_colour(value: int) -> CIELabColor:
    """The colour of a label as DICOM says colours."""
    return CIELabColor.from_rgb(*colour_of(value))


def _category_of(value: int) -> CodedConcept:
    return _TISSUE if value in _TISSUES else _FLUID if value in _FLUIDS else ANATOMICAL


def _concept(code: tuple[str, str, str]) -> CodedConcept:
    scheme, value, meaning = code
    return CodedConcept(value, scheme, meaning)


def _private(value: int, name: str) -> CodedConcept:
    return CodedConcept(str(value), PRIVATE_SCHEME, name[:_LONGEST_MEANING])
