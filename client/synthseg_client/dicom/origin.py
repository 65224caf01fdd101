"""What DICOM results say of where they come from: the patient's study, and this program."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from functools import cached_property

from highdicom import UID, AlgorithmIdentificationSequence
from highdicom.sr import CodedConcept
from pydicom import dcmread
from pydicom.dataset import Dataset

from synthseg_client import __version__
from synthseg_client.dicom.archive import Reader
from synthseg_client.dicom.series import DicomSeries
from synthseg_client.errors import OutputError
from synthseg_client.model import fingerprint_of
from synthseg_client.segmentation.result import Segmentation

MANUFACTURER = "synthseg-serving"
ALGORITHM = "SynthSeg"
FAMILY = CodedConcept("123110", "DCM", "Artificial Intelligence")
# Type 2 of the modules that the standard has results copy: there, but empty where unknown.
_COPIED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
    *("StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
_SERIES_STEP = 100
_LARGEST_NUMBER = 10_000_000


def forget_equipment(made: Dataset) -> None:
    """Takes out scanner and clinic, which highdicom copies and the standard does not ask for.

    What is left of the source is what the modules of patient and study hold.
    """
    if "ContributingEquipmentSequence" in made:
        del made.ContributingEquipmentSequence


@dataclass(frozen=True)
class Origin:
    """A segmentation and the series that it is of.

    Attributes:
        series: The source.
        result: What came of it.
    """

    series: DicomSeries
    result: Segmentation

    @cached_property
    def sources(self) -> list[Dataset]:
        """The source's files without pixels, in the order of their slices.

        Raises:
            OutputError: A file went away.
        """
        try:
            with Reader() as reader:
                found: list[Dataset] = []
                for header in self.series.stack.headers:
                    with reader.open(header.packed) as stream:
                        found.append(dcmread(stream, stop_before_pixels=True, force=True))
        except OSError as error:
            raise OutputError(f"{self.series.source}: went away meanwhile: {error}.") from error
        for data in found:
            for keyword in _COPIED:
                if keyword not in data:
                    setattr(data, keyword, None)
        return found

    @property
    def version(self) -> str:
        """Of the program and the model, in one word."""
        return f"{__version__} {self.result.model.title}"

    @property
    def fingerprint(self) -> str:
        """Hex digest of the models that answered."""
        return fingerprint_of(self.result.model, self.result.companions)

    @property
    def device_serial(self) -> str:
        """What stands for a device's serial number: which model it was."""
        return self.fingerprint[:16]

    @property
    def device_uid(self) -> UID:
        """Of program and model: the same whenever the same answers."""
        told = f"{MANUFACTURER} {__version__} {self.fingerprint}"
        return UID.from_uuid(str(uuid.uuid5(uuid.NAMESPACE_OID, told)))

    @property
    def parameters(self) -> dict[str, str]:
        """The options, by name."""
        options = self.result.options.to_json()
        return {name: json.dumps(value) for name, value in options.items()}

    def algorithm(self) -> AlgorithmIdentificationSequence:
        """Which algorithm made it."""
        return AlgorithmIdentificationSequence(
            name=ALGORITHM,
            family=FAMILY,
            version=self.version,
            source=MANUFACTURER,
            parameters=self.parameters,
        )

    def series_number(self, place: int) -> int:
        """A number for a new series that shows which one it is of: 401 and 402 of series 4."""
        number = self.series.stack.header.series_number or 0
        return (number % _LARGEST_NUMBER) * _SERIES_STEP + place
