"""What of the values of `--i` is DICOM, and which series of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synthseg_client.dicom.extra import require_dicom
from synthseg_client.dicom.recognition import is_dicom_source
from synthseg_client.dicom.series import DicomSeries, UnusableSource
from synthseg_client.errors import ClientError, ScanError, UsageError
from synthseg_client.inputs.patterns import is_pattern, matches
from synthseg_client.inputs.places import is_there, real
from synthseg_client.inputs.sources import is_list, read_list

Found = DicomSeries | UnusableSource
"""What comes of a DICOM source."""


def with_series(arguments: Sequence[str], wanted: str | None = None) -> list[str | Found]:
    """The arguments, with the series of DICOM sources in their place.

    Args:
        arguments: Of `--i`: files, folders, patterns, or one `.txt` list.
        wanted: Number or UID of a series, or `all`; None chooses.

    Returns:
        What is not DICOM as it was given, then the series. A pattern or list that names any DICOM
        source is replaced by what it stands for.

    Raises:
        UsageError: No source is DICOM though a series was asked for, or the libraries are missing.
        ScanError: No source has a series that can be segmented, and there is nothing else.
    """
    others: list[str] = []
    sources: dict[Path, Path] = {}
    for argument in arguments:
        places = _stands_for(argument)
        dicom = [place for place in places if is_dicom_source(place)]
        sources |= {real(place): place for place in dicom}
        others += [str(p) for p in places if p not in dicom] if dicom else [argument]
    if wanted is not None and not sources:
        raise UsageError("--series: nothing that --i names is DICOM: leave it out.")
    return [*others, *_series_of(list(sources.values()), wanted, is_all=not others)]


def _series_of(sources: list[Path], wanted: str | None, *, is_all: bool) -> list[Found]:
    """The series of DICOM sources; one that has none fails alone, unless there is nothing else."""
    if not sources:
        return []
    require_dicom(str(sources[0]))
    from synthseg_client.dicom.choice import find_series

    found: list[Found] = []
    errors: list[ClientError] = []
    for source in sources:
        try:
            found += find_series(source, wanted)
        except (ScanError, UsageError) as error:
            errors.append(error)
            found.append(UnusableSource(source, str(error)))
    if is_all and len(errors) == len(sources):
        raise errors[0]
    return found


def _stands_for(argument: str) -> list[Path]:
    """The paths behind an argument, as far as they could be DICOM."""
    path = Path(argument)
    if is_there(path):
        return read_list(path) if is_list(path) else [path]
    return matches(argument) if is_pattern(argument) else []
