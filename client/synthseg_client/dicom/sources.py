"""What of the values of `--i` is DICOM, and which series of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synthseg_client.dicom.extra import require_dicom
from synthseg_client.dicom.recognition import is_dicom_source
from synthseg_client.dicom.series import DicomSeries
from synthseg_client.errors import UsageError
from synthseg_client.inputs.patterns import is_pattern, matches
from synthseg_client.inputs.places import is_there
from synthseg_client.inputs.sources import is_list, read_list


def with_series(arguments: Sequence[str], wanted: str | None = None) -> list[str | DicomSeries]:
    """The arguments, with the series of DICOM sources in their place.

    Args:
        arguments: Of `--i`: files, folders, patterns, or one `.txt` list.
        wanted: Number or UID of a series, or `all`; None chooses.

    Returns:
        What is not DICOM as it was given. A pattern or list that names any DICOM source is replaced
        by what it stands for.

    Raises:
        UsageError: No source is DICOM though a series was asked for, or the libraries are missing.
        ScanError: A source has no series that can be segmented.
    """
    found: list[str | DicomSeries] = []
    for argument in arguments:
        places = _stands_for(argument)
        if not any(map(is_dicom_source, places)):
            found.append(argument)
            continue
        require_dicom(argument)
        from synthseg_client.dicom.choice import find_series

        for place in places:
            found.extend(find_series(place, wanted) if is_dicom_source(place) else [str(place)])
    if wanted is not None and all(isinstance(item, str) for item in found):
        raise UsageError("--series: nothing that --i names is DICOM: leave it out.")
    return found


def _stands_for(argument: str) -> list[Path]:
    """The paths behind an argument, as far as they could be DICOM."""
    path = Path(argument)
    if is_there(path):
        return read_list(path) if is_list(path) else [path]
    return matches(argument) if is_pattern(argument) else []
