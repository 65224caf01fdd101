"""What results are called: as they were named, or by their scans' names in a folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthseg_common.formats import WRITABLE, format_of, other_ending, stem_of

from synthseg_client.errors import UsageError
from synthseg_client.inputs.patterns import refuse_unexpanded_path
from synthseg_client.inputs.places import is_folder, is_there, real
from synthseg_client.inputs.sources import is_list

SUFFIXES = {"--o": "_synthseg", "--post": "_posteriors", "--resample": "_resampled"}
"""What goes after a scan's name in the names of results, by option."""
TABLE_ENDING = ".csv"
_JOINTS = ("_", "__")


@dataclass(frozen=True)
class Output:
    """The value of an option that says where results go.

    Attributes:
        flag: The option.
        path: Its value.
        slash: Whether it ended with a slash, which names a folder.
        beside_scans: Whether the path starts from the folder of each scan.
    """

    flag: str
    path: Path
    slash: bool = False
    beside_scans: bool = False

    @classmethod
    def of(cls, flag: str, given: str | os.PathLike[str], *, beside_scans: bool = False) -> Output:
        """The option's value as a path.

        Raises:
            UsageError: It is empty, or something that only a shell or another program understands.
        """
        text, path = os.fspath(given), Path(given)
        if not text.strip():
            raise UsageError(
                f"{flag}: an empty name was given: is a variable of the shell not set?"
            )
        if text == "-":
            raise UsageError(f"{flag} -: results are not written to standard output: name a file.")
        if not is_there(path):
            refuse_unexpanded_path(text, f"{flag} {text}")
            if set(text) & set("*?"):
                raise UsageError(f"{flag} {text}: a pattern is for --i only; see --beside-scans.")
        if beside_scans and path.is_absolute():
            raise UsageError(
                f"{flag} {text}: with --beside-scans it starts from each scan's folder, expected a "
                "relative path."
            )
        return cls(flag, path, text.endswith("/"), beside_scans)

    @classmethod
    def of_any(
        cls, flag: str, given: str | os.PathLike[str] | None, *, beside_scans: bool = False
    ) -> Output | None:
        """The same for an option that need not be given."""
        return None if given is None else cls.of(flag, given, beside_scans=beside_scans)

    @property
    def is_list(self) -> bool:
        """Whether it is a list of names."""
        return is_list(self.path) and not self.slash

    def error(self, words: str) -> UsageError:
        """What is wrong with it, in one line."""
        return UsageError(f"{self.flag} {self.path}: {words}")

    def refuse_other_files(self) -> None:
        """Refuses the name of a file that no result is; a folder may have any name.

        Raises:
            UsageError: It ends as files do that are not written.
        """
        ending = other_ending(self.path)
        if ending and not (self.slash or is_folder(self.path)):
            raise self.error(
                f"{ending} files are not written: expected a name that ends in "
                f"{', '.join(WRITABLE)}, or a folder, with a slash at its end if it is new."
            )

    def file_for(self, scan: Path, prefix: str, *, single: bool) -> Path:
        """The file that comes of a scan.

        Args:
            scan: The scan.
            prefix: What goes before its name in a folder of results of several scans.
            single: Whether the output may be one file.

        Raises:
            UsageError: One file was named for several scans, or a file is where a folder should be.
        """
        place = scan.parent / self.path if self.beside_scans else self.path
        if format_of(place) is not None and not self.slash and not is_folder(place):
            if not single and not self.beside_scans:
                raise self.error("several scans need a folder here, not one file.")
            if not stem_of(place):
                raise self.error("is an ending alone, expected a name before it.")
            return place
        if is_there(place) and not is_folder(place):
            raise self.error("exists and is no folder.")
        kind = format_of(scan)
        name = f"{'' if self.beside_scans else prefix}{stem_of(scan)}{SUFFIXES[self.flag]}"
        return place / f"{name}{kind.result_suffix if kind else '.nii.gz'}"


def table_of(output: Output | None) -> Path | None:
    """The volumes table that an option names; the ending is added if there is none, as ever.

    Raises:
        UsageError: It is a folder, or the name of a file of another kind.
    """
    if output is None:
        return None
    path = output.path
    if output.slash or is_folder(path):
        raise output.error(f"is a folder, expected the name of a CSV file, {path / 'volumes.csv'}.")
    if path.name.lower().endswith(TABLE_ENDING):
        return path
    ending = other_ending(path) or (format_of(path) and path.suffix)
    if ending:
        raise output.error(f"the table is not written as {ending}: expected a name with .csv.")
    full = path.with_name(path.name + TABLE_ENDING)
    if is_folder(full):
        raise output.error(f"{full} is a folder, expected the name of a CSV file.")
    return full


def prefixes(scans: Sequence[Path]) -> list[str]:
    """What tells scans of the same name apart: the folders in which their paths differ.

    Of `fs/bert/mri/orig.mgz` and `fs/anna/mri/orig.mgz`, `bert_` and `anna_`; nothing for a name
    that no other scan has, and for scans that only their endings tell apart.

    Returns:
        One for each scan.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, scan in enumerate(scans):
        groups[stem_of(scan)].append(index)
    found = [""] * len(scans)
    for indices in groups.values():
        folders = [Path(os.path.abspath(scans[i])).parent.parts for i in indices]  # noqa: PTH100
        for index, told in zip(indices, _told_apart(folders), strict=True):
            found[index] = told and f"{told}_"
    return found


def _told_apart(folders: Sequence[tuple[str, ...]]) -> list[str]:
    """Folders without what all have in common at either end, joined to one word each."""
    if len(set(folders)) == 1:
        return [""] * len(folders)
    start = _in_common(folders)
    rests = [folder[start:] for folder in folders]
    end = _in_common([rest[::-1] for rest in rests])
    rests = [rest[: len(rest) - end] for rest in rests]
    joint = next((j for j in _JOINTS if _is_clear(rests, j)), _JOINTS[-1])
    return [joint.join(rest) for rest in rests]


def _in_common(folders: Sequence[tuple[str, ...]]) -> int:
    """How many parts all have in common at their start."""
    count = 0
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        count += 1
    return count


def _is_clear(folders: Sequence[tuple[str, ...]], joint: str) -> bool:
    return len({joint.join(folder) for folder in folders}) == len(set(folders))


def without_results(found: list[Path], outputs: Sequence[Output]) -> list[Path]:
    """Leaves out what an earlier run made of other scans of the batch.

    That is a file named as a result of a scan that lies beside it, or whose results go there.
    """
    bases = {scan: _bases_of(scan) for scan in found}
    if not any(bases.values()):
        return found
    shared = {real(output.path) for output in outputs if not output.beside_scans}
    stems = {stem_of(scan) for scan in found}
    moved = [output.path for output in outputs if output.beside_scans]
    made = {
        (real(folder), stem_of(scan))
        for scan in found
        for folder in (scan.parent, *(scan.parent / path for path in moved))
    }

    def is_result(scan: Path) -> bool:
        folder = real(scan.parent) if bases[scan] else None
        return any(
            (folder, base) in made or (folder in shared and _ends_as_one_of(base, stems))
            for base in bases[scan]
        )

    return [scan for scan in found if not is_result(scan)]


def _bases_of(scan: Path) -> list[str]:
    """What a file would be a result of, by its name: none, for most."""
    stem = stem_of(scan)
    return [stem.removesuffix(s) for s in SUFFIXES.values() if stem.endswith(s)]


def _ends_as_one_of(name: str, stems: Collection[str]) -> bool:
    """Whether a name is one of others, or one with something and `_` before it."""
    return name in stems or any(
        letter == "_" and name[index + 1 :] in stems for index, letter in enumerate(name)
    )
