"""Addresses of object storage in the options of `segment`: paths of a mirror in their place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from synthseg_common.formats import format_of, is_scan_name

from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.commands.segment_options import Places
from synthseg_client.errors import UsageError
from synthseg_client.inputs.patterns import is_pattern
from synthseg_client.inputs.places import is_there
from synthseg_client.inputs.sources import LIST_ENDING, is_list, list_entries
from synthseg_client.results.scan_records import RECORDS
from synthseg_client.storage.addresses import is_address, parts_of_address
from synthseg_client.storage.mirror import Mirror

_LOCAL_ALONE = {"report": "--report", "dicom_seg": "--dicom-seg", "dicom_sr": "--dicom-sr"}
_DICOM_ENDINGS = (".dcm", ".zip", ".ima")


def mirrored(places: Places, mirror: Mirror) -> Places:
    """The options with paths of the mirror for addresses, in which scans are shown.

    Raises:
        UsageError: An option does not take addresses, or an address is none.
        StorageError: The store cannot be asked.
    """
    for field, flag in _LOCAL_ALONE.items():
        value = getattr(places, field)
        # As a path an address has lost a slash.
        if value is not None and is_address(str(value).replace(":/", "://", 1)):
            raise UsageError(f"{flag} {value}: takes a path here, and no address.")
    scans = tuple(mirrored_scans(places.scans, mirror))
    if places.beside_scans and scans != places.scans:
        raise UsageError(
            "--beside-scans: is for scans in folders; in object storage results need a folder of "
            "their own, --o."
        )
    return replace(
        places,
        scans=scans,
        labels=_mirrored_result(places.labels, mirror),
        posteriors=_mirrored_result(places.posteriors, mirror),
        resampled=_mirrored_result(places.resampled, mirror),
        volumes=_mirrored_result(places.volumes, mirror),
        quality=_mirrored_result(places.quality, mirror),
    )


def mirrored_scans(arguments: Iterable[str], mirror: Mirror) -> list[str]:
    """Values of `--i` with paths of the mirror for addresses.

    Raises:
        UsageError: As `mirrored` raises it.
        StorageError: The same.
    """
    return [_mirrored_scan(argument, mirror) for argument in arguments]


def refuse_results_among_scans(plan: BatchPlan, mirror: Mirror) -> None:
    """Refuses a folder of object storage for both, of whose other files nothing is known here.

    Raises:
        UsageError: Results would lie beside scans.
    """
    folders = {task.scan.parent for task in plan.tasks}
    for task in plan.tasks:
        for path in task.outputs():
            if path.parent in folders and mirror.address_of(path) is not None:
                raise UsageError(
                    f"{path}: would lie among the scans: in object storage results need a folder "
                    "of their own."
                )


def has_addresses(plan: BatchPlan, mirror: Mirror) -> bool:
    """Whether results go to object storage."""
    return any(mirror.address_of(path) for task in plan.tasks for path in task.outputs())


def probe_places(plan: BatchPlan, mirror: Mirror) -> None:
    """Sees that results can be written to object storage, before any scan is fetched.

    Raises:
        StorageError: They cannot.
    """
    for folder in sorted({path.parent for task in plan.tasks for path in task.outputs()}):
        mirror.probe(folder / RECORDS)


def _mirrored_scan(argument: str, mirror: Mirror) -> str:
    if not is_address(argument):
        return _mirrored_list(argument, mirror) if is_list(Path(argument)) else argument
    parts = parts_of_address(argument)
    count = next((i for i, part in enumerate(parts) if i > 1 and is_pattern(part)), 0)
    if count:
        shown = mirror.show(_address(parts[:count]), _is_scan_part)
        return str(shown.joinpath(*parts[count:])) + "/" * argument.endswith("/")
    path = mirror.path_of(argument)
    if path.name.lower().endswith(_DICOM_ENDINGS):
        raise UsageError(f"{argument}: DICOM is read from folders here, and not by an address.")
    if path.name.lower().endswith(LIST_ENDING) and not argument.endswith("/"):
        path.parent.mkdir(parents=True, exist_ok=True)
        mirror.fetch(path)
        return _mirrored_list(str(path), mirror, argument)
    if format_of(path) is None or argument.endswith("/"):
        return str(mirror.show(argument, _is_scan_part))
    _show_one(path, argument, mirror)
    return str(path)


def _show_one(path: Path, address: str, mirror: Mirror) -> None:
    """Shows a scan that is named by itself; it is asked for when its turn comes."""
    kind = format_of(path)
    if kind is not None and kind.name == "analyze":  # the other files of the pair
        mirror.show(_address(parts_of_address(address)[:-1]), _is_scan_part)
    else:
        mirror.touch(path)


def _mirrored_list(argument: str, mirror: Mirror, told_as: str = "") -> str:
    path = Path(argument)
    if not is_there(path):
        return argument
    lines = list_entries(path)
    if not any(map(is_address, lines)):
        return argument
    for line in filter(is_address, lines):
        _show_one(mirror.path_of(line), line, mirror)
    return str(mirror.add_list(told_as or argument, _mirrored_lines(lines, mirror)))


def _mirrored_result(value: str | None, mirror: Mirror) -> str | None:
    if value is None:
        return None
    slash = "/" * value.endswith("/")
    if is_address(value):
        if value.lower().endswith(LIST_ENDING):
            raise UsageError(f"{value}: a list of results is a file here, and no address.")
        return str(mirror.path_of(value)) + slash
    if value.strip() and is_list(Path(value)) and is_there(Path(value)):
        lines = list_entries(Path(value))
        if any(map(is_address, lines)):
            return str(mirror.add_list(value, _mirrored_lines(lines, mirror)))
    return value


def _mirrored_lines(lines: list[str], mirror: Mirror) -> list[str]:
    return [str(mirror.path_of(line)) if is_address(line) else line for line in lines]


def _address(parts: tuple[str, ...]) -> str:
    return f"{parts[0]}://{'/'.join(parts[1:])}"


def _is_scan_part(path: Path) -> bool:
    return is_scan_name(path) or format_of(path) is not None or path.suffix.lower() == ".mat"
