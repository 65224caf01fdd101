"""Which of the series of a source are segmented."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthseg_common.formats import format_of

from synthseg_client.dicom.archive import Reader, dicom_files
from synthseg_client.dicom.headers import Header, read_header
from synthseg_client.dicom.series import DicomSeries
from synthseg_client.dicom.stacks import Stack, stacks_of
from synthseg_client.errors import ScanError, UsageError

ALL = "all"
"""Word for every series that can be segmented."""
LEAST_SLICES = 8
"""Fewer show no brain."""
_MODALITIES = ("MR", "CT")
_PLANNING = ("LOCALIZER", "SCOUT", "TOPOGRAM", "SURVEY")
_COMPUTED = (
    *("ADC", "FA", "TRACEW", "TENSOR", "COLFA", "PROJECTION IMAGE", "MPR", "CSA MPR", "MIP"),
    *("MIN IP", "MNIP", "SUBTRACTION", "SUB", "PERFUSION", "CBF", "CBV", "MTT", "TTP", "T2 MAP"),
    *("T1 MAP", "B0", "REFORMATTED", "AVERAGE", "SCREEN SAVE"),
)
_NAMES_OF_OBJECTS = {
    "SEG": "a segmentation",
    "SR": "a report",
    "PR": "a presentation state",
    "KO": "a selection of images",
    "OT": "no scan",
    "SC": "no scan",
    "PT": "PET",
}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A series of a source.

    Attributes:
        headers: Of its files.
        stacks: Its volumes, the one with most slices first; none if nothing says where it lies.
        problem: Why it cannot be segmented; empty if it can.
    """

    headers: tuple[Header, ...]
    stacks: tuple[Stack, ...]
    problem: str

    @classmethod
    def of(cls, headers: Sequence[Header]) -> Candidate:
        """The series that these files are."""
        stacks = tuple(stacks_of(headers))
        header = stacks[0].header if stacks else headers[0]
        return cls(tuple(headers), stacks, _problem(header, stacks))

    @property
    def number(self) -> int | None:
        """Its series number."""
        return self.headers[0].series_number

    @property
    def title(self) -> str:
        """What messages call it: no words that somebody typed, which may name the patient."""
        number = self.number
        return "a series without a number" if number is None else f"series {number}"

    def rank(self) -> tuple[object, ...]:
        """Smaller is better: an anatomical volume, then more slices, then smaller voxels."""
        stack = self.stacks[0]
        header = stack.header
        kinds = header.kinds
        is_anatomical = (
            "DERIVED" not in kinds[:1]
            and "SECONDARY" not in kinds[1:2]
            and not set(kinds[2:]) & set(_COMPUTED)
            and stack.n_volumes == 1
            and stack.frames[0].place.part in ("", "magnitude")
            and not header.is_angiogram
        )
        voxel = stack.pixel_mm[0] * stack.pixel_mm[1]
        return (not is_anatomical, -len(stack.frames), voxel, self.number or 0)


def find_series(source: Path, wanted: str | None = None) -> list[DicomSeries]:
    """The series of a source to segment.

    Args:
        source: Folder, zip or DICOM file.
        wanted: Number or UID of a series, `all`, or None for the best of each study.

    Raises:
        UsageError: The source has no such series.
        ScanError: It has none that can be segmented.
    """
    candidates = _candidates(source)
    usable = [candidate for candidate in candidates if not candidate.problem]
    if wanted is not None and wanted.lower() != ALL:
        chosen = [_named(source, candidates, wanted)]
        reasons = [""]
    elif not usable:
        raise ScanError(f"{source}: no series here can be segmented: {_told(candidates)}.")
    elif wanted is not None:
        chosen, reasons = usable, [""] * len(usable)
    else:
        chosen = _best_of_each_study(usable)
        reasons = [_reason(candidate, usable, candidates) for candidate in chosen]
    names = _names(source, candidates)
    several = len(names) > 1
    return [
        DicomSeries(
            source=source,
            name=names[one],
            title=f"{source}, {one.title}" if several else str(source),
            stack=one.stacks[0],
            notes=tuple(filter(None, (reason, *_left_out(one)))),
        )
        for one, reason in zip(chosen, reasons, strict=True)
    ]


def _candidates(source: Path) -> list[Candidate]:
    groups: dict[str, dict[str, Header]] = defaultdict(dict)
    try:
        with Reader() as reader:
            for packed in dicom_files(source):
                header = read_header(packed, reader)
                if header is not None:
                    # A file that was copied twice is one.
                    instance = header.instance or str(packed)
                    groups[header.series].setdefault(instance, header)
    except OSError as error:
        raise ScanError(f"{source}: cannot be read: {error}.") from error
    if not groups:
        raise ScanError(f"{source}: holds no DICOM image: give a folder, zip or file with some.")
    found = [Candidate.of(list(group.values())) for group in groups.values()]
    return sorted(found, key=lambda candidate: (candidate.number is None, candidate.number or 0))


def _problem(header: Header, stacks: Sequence[Stack]) -> str:
    """Why a series is not segmented, in words that follow its name."""
    modality = header.modality
    if modality not in _MODALITIES:
        return f"is {_NAMES_OF_OBJECTS.get(modality, modality or 'of no modality')}"
    if header.is_colour:
        return "is in colour"
    if set(header.kinds) & set(_PLANNING):
        return "is a localizer"
    if "MOSAIC" in header.kinds:
        return "is a mosaic (a series over time)"
    if not stacks:
        return "does not say where its slices lie"
    slices = len(stacks[0].frames)
    if slices == 1 and not header.is_multi_frame:
        return "has one slice here: give the folder that holds the others"
    if slices < LEAST_SLICES:
        return f"has {slices} slices of one direction"
    return ""


def _named(source: Path, candidates: Sequence[Candidate], wanted: str) -> Candidate:
    """The series with a number or UID."""
    fits = [c for c in candidates if c.headers[0].series == wanted]
    if not fits and wanted.isdecimal():
        fits = [c for c in candidates if c.number == int(wanted)]
    if not fits:
        raise UsageError(f"--series {wanted}: {source} has none: {_told(candidates)}.")
    if len(fits) > 1:
        raise UsageError(
            f"--series {wanted}: {source} has {len(fits)} of this number: give the "
            "SeriesInstanceUID (0020,000E) of one."
        )
    if fits[0].problem:
        raise ScanError(f"{source}: {fits[0].title} {fits[0].problem}.")
    return fits[0]


def _best_of_each_study(usable: Sequence[Candidate]) -> list[Candidate]:
    studies: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in usable:
        studies[candidate.headers[0].study].append(candidate)
    return [min(study, key=Candidate.rank) for study in studies.values()]


def _reason(chosen: Candidate, usable: Sequence[Candidate], candidates: Sequence[Candidate]) -> str:
    """Why one series was taken of several."""
    study = chosen.headers[0].study
    others = [c for c in candidates if c.headers[0].study == study]
    if len(others) == 1:
        return ""
    left = [c for c in usable if c in others and c is not chosen]
    why = "the only one that can be segmented"
    if left:
        numbers = ", ".join(str(c.number) for c in left)
        why = "an anatomical volume with most slices; --series takes another: " + numbers
        if chosen.rank()[0]:
            why = "none is an anatomical volume for sure, it has most slices; or: " + numbers
    slices = len(chosen.stacks[0].frames)
    return f"took {chosen.title} of {len(others)} ({slices} slices): {why}"


def _left_out(chosen: Candidate) -> list[str]:
    """What of a series is not in the volume that was taken."""
    stack, *others = chosen.stacks
    notes = []
    if stack.n_volumes > 1:
        notes.append(f"{chosen.title} holds {stack.n_volumes} volumes: used the first")
    if others:
        count = sum(len(other.frames) * other.n_volumes for other in others)
        notes.append(
            f"{chosen.title} is mixed: {count} images of another direction, size, part or echo are "
            "left out"
        )
    if stack.header.is_lossy:
        notes.append(f"{chosen.title} was compressed with a loss")
    return notes


def _names(source: Path, candidates: Sequence[Candidate]) -> dict[Candidate, str]:
    """What results of each series are called."""
    name = source.name or source.absolute().name
    for ending in (".zip", ".dcm", ".dicom", ".ima"):
        if not source.is_dir() and name.lower().endswith(ending):
            name = name[: -len(ending)]
    # A name that ends like a file's would be taken for one.
    kind = format_of(Path(name))
    name = name[: -len(kind.suffix)] if kind else name
    images = [candidate for candidate in candidates if candidate.stacks]
    if len(images) == 1:
        return {images[0]: name}
    names: dict[Candidate, str] = {}
    for candidate in images:
        number = candidate.number
        base = f"{name}_series{'' if number is None else number}"
        taken = set(names.values())
        fits = (base, *(f"{base}-{count}" for count in range(2, len(images) + 2)))
        names[candidate] = next(free for free in fits if free not in taken)
    return names


def _told(candidates: Sequence[Candidate]) -> str:
    """The series of a source, in a few words each."""
    words = []
    for candidate in candidates:
        stack = candidate.stacks[0] if candidate.stacks else None
        size = f"{candidate.headers[0].modality}, {len(stack.frames)} slices" if stack else ""
        words.append(f"{candidate.title} {candidate.problem or f'({size})'}")
    return "; ".join(words)
