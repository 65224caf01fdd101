"""Which scans of a dataset are wanted: by participant, session, suffix, and a file of filters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from synthseg_client.bids.names import BidsName
from synthseg_client.bids.vocabulary import vocabulary
from synthseg_client.errors import UsageError

DEFAULT_SUFFIXES = ("T1w", "T2w", "FLAIR", "PDw", "T2starw", "UNIT1", "inplaneT1", "inplaneT2")
"""Anatomical images that are weighted as scans are; maps and parts of series are left out."""
ANATOMICAL = "anat"
_SUFFIX, _ENDING, _DATATYPE, _BY_REGEX = "suffix", "extension", "datatype", "regex_search"
_LABEL = re.compile(r"[0-9A-Za-z+]+")
_NO_MAGNITUDE = ("phase", "real", "imag")
"""Parts of complex images that show no anatomy as scans do."""
Presence = Literal["any", "none", "optional"]
_PRESENCES: Mapping[str, Presence] = {
    "*": "any",
    "query.any": "any",
    "query.none": "none",
    "query.optional": "optional",
}


@dataclass(frozen=True)
class Filter:
    """What a name may say of one thing.

    Attributes:
        values: One of these, as text.
        presence: Whether anything, nothing, or either will do; None asks for one of the values.
        by_regex: Whether the values are regular expressions, found anywhere.
        as_number: Whether leading zeros do not count.
    """

    values: tuple[str, ...] = ()
    presence: Presence | None = None
    by_regex: bool = False
    as_number: bool = False

    def takes(self, value: str | None) -> bool:
        """Whether a value will do; None if the name says nothing."""
        if value is None:
            return self.presence in ("none", "optional")
        if self.presence is not None:
            return self.presence != "none"
        if self.by_regex:
            return any(re.search(wanted, value) for wanted in self.values)
        return any(self._same(value, wanted) for wanted in self.values)

    def _same(self, value: str, wanted: str) -> bool:
        if self.as_number and value.isdecimal() and wanted.isdecimal():
            return int(value) == int(wanted)
        return value == wanted


@dataclass(frozen=True)
class Query:
    """One entry of a file of filters.

    Attributes:
        suffixes: Of the scans that it is about, in lower case; None: all.
        filters: By entity, `extension` or `datatype`.
    """

    suffixes: tuple[str, ...] | None
    filters: Mapping[str, Filter]

    def is_about(self, name: BidsName) -> bool:
        """Whether it says anything of such a scan."""
        return self.suffixes is None or name.suffix.lower() in self.suffixes

    def takes(self, name: BidsName) -> bool:
        """Whether a scan will do."""
        told = {**dict(name.entities), _ENDING: name.ending, _DATATYPE: ANATOMICAL}
        return all(wanted.takes(told.get(key)) for key, wanted in self.filters.items())


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which scans are wanted.

    Attributes:
        participants: Labels without `sub-`; none: all.
        sessions: Labels without `ses-`; none: all, and scans without a session.
        suffixes: Of the images.
        queries: From a file of filters.
    """

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = DEFAULT_SUFFIXES
    queries: tuple[Query, ...] = ()

    def wants_of(self, participant: str | None) -> bool:
        """Whether anything of a participant is wanted, by the label."""
        return not self.participants or participant in self.participants

    def wants(self, name: BidsName) -> bool:
        """Whether a file is one of an image that is wanted, whatever its ending."""
        if name.suffix not in self.suffixes or name.value("part") in _NO_MAGNITUDE:
            return False
        if self.sessions and name.value("ses") not in self.sessions:
            return False
        return all(query.takes(name) for query in self.queries if query.is_about(name))


def select(
    participants: Iterable[str] = (),
    sessions: Iterable[str] = (),
    suffixes: Iterable[str] = (),
    filter_file: Path | None = None,
) -> Selection:
    """What the options ask for.

    Args:
        participants: Labels, with or without `sub-`.
        sessions: Labels, with or without `ses-`.
        suffixes: Of the images; none: those of weighted anatomical images.
        filter_file: JSON file as fMRIPrep takes it: by kind of image, values by entity.

    Raises:
        UsageError: There can be no such label, suffix or filter.
    """
    wanted = tuple(dict.fromkeys(suffixes)) or DEFAULT_SUFFIXES
    if unknown := [suffix for suffix in wanted if suffix not in vocabulary().suffixes]:
        raise UsageError(
            f"--suffix {' '.join(unknown)}: no anatomical image of BIDS, expected some of "
            f"{', '.join(sorted(vocabulary().suffixes))}."
        )
    return Selection(
        participants=_labels("--participant-label", "sub-", participants),
        sessions=_labels("--session-label", "ses-", sessions),
        suffixes=wanted,
        queries=() if filter_file is None else read_filters(filter_file),
    )


def _labels(flag: str, prefix: str, given: Iterable[str]) -> tuple[str, ...]:
    labels = tuple(dict.fromkeys(label.removeprefix(prefix) for label in given))
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise UsageError(
                f"{flag} {label!r}: no label of BIDS: expected letters and digits, with or without "
                f"{prefix}, one or several with blanks between."
            )
    return labels


def read_filters(path: Path) -> tuple[Query, ...]:
    """The queries of a file of filters.

    Raises:
        UsageError: It cannot be read, is no JSON object of objects, or names no entity.
    """
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no JSON: {error}"
        raise UsageError(f"--bids-filter-file {path}: cannot be read: {reason}.") from error
    if not isinstance(told, dict) or not all(isinstance(v, dict) for v in told.values()):
        raise UsageError(
            f'--bids-filter-file {path}: expected an object by kind of image, {{"t1w": '
            '{"session": "01"}}.'
        )
    return tuple(_query(path, kind, entry) for kind, entry in told.items())


def _query(path: Path, kind: str, entry: Mapping[str, object]) -> Query:
    by_regex = bool(entry.get(_BY_REGEX, False))
    filters = {}
    for name, value in entry.items():
        if name in (_SUFFIX, _BY_REGEX):
            continue
        key = name if name in (_ENDING, _DATATYPE) else vocabulary().key_of(name)
        if key is None:
            raise UsageError(f"--bids-filter-file {path}: {kind}: {name!r} is no entity of BIDS.")
        filters[key] = _filter(key, value, by_regex=by_regex)
        if by_regex:
            _refuse_patterns(path, kind, filters[key])
    return Query(_about(kind, entry), filters)


def _refuse_patterns(path: Path, kind: str, wanted: Filter) -> None:
    for text in wanted.values:
        try:
            re.compile(text)
        except re.error as error:
            raise UsageError(
                f"--bids-filter-file {path}: {kind}: {text!r} is no regular expression: {error}."
            ) from error


def _about(kind: str, entry: Mapping[str, object]) -> tuple[str, ...] | None:
    """Suffixes of the scans that an entry is about: those it names, else its own name."""
    if _SUFFIX in entry:
        return tuple(value.lower() for value in _texts(entry[_SUFFIX]))
    return None if kind == ANATOMICAL else (kind.lower(),)


def _filter(key: str, value: object, *, by_regex: bool) -> Filter:
    if value is None:
        return Filter(presence="none")
    texts = _texts(value)
    for text in texts:
        if presence := _PRESENCES.get(text.lower()):
            return Filter(presence=presence)
    if key in ("sub", "ses"):
        texts = [text.removeprefix(f"{key}-") for text in texts]
    return Filter(tuple(texts), by_regex=by_regex, as_number=key in vocabulary().indices)


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
