"""Files that belong to one scan, from several folders."""

from __future__ import annotations

from pathlib import Path

from synthseg_common.images.content import placeholder

from synthseg_trainer.evaluation.image_files import ImageFileError, find_images, name_scan

POSTERIORS_SUFFIX = "_posteriors"
"""What `synthseg-client segment` adds to the name of a scan for its probabilities."""
_NAMED = 5


def match_files(*places: Path, partial: bool = False) -> dict[str, tuple[Path, ...]]:
    """Matches the files of several folders by the name of their scan.

    Args:
        places: Folders, or single files. Other files in any but the first are not looked at.
        partial: Leave out scans of the first folder that another lacks, instead of refusing them.

    Returns:
        By the scan's name one path per place, in the order of `places`; sorted by name.

    Raises:
        VolumeError: A place is missing, folders and files are mixed, or a scan lacks a file.
    """
    for place in places:
        if not place.exists():
            raise ImageFileError(f"{place}: {placeholder(place) or 'no such file or folder'}.")
    if all(place.is_file() for place in places):
        # Named after the answer.
        return {name_scan(places[min(1, len(places) - 1)]): places}
    if not all(place.is_dir() for place in places):
        listed = " and ".join(map(str, places))
        raise ImageFileError(f"{listed} must all be files, or all be folders.")
    first, *others = (_by_scan(place) for place in places)
    complete = [name for name in first if all(name in other for other in others)]
    if not complete or (len(complete) < len(first) and not partial):
        raise ImageFileError(_what_is_missing(places, [first, *others]))
    return {name: (first[name], *(other[name] for other in others)) for name in complete}


def _by_scan(folder: Path) -> dict[str, Path]:
    """Volumes by scan; probabilities count where they are all there is."""
    volumes = find_images(folder)
    if volumes and all(name.endswith(POSTERIORS_SUFFIX) for name in volumes):
        return {name.removesuffix(POSTERIORS_SUFFIX): path for name, path in volumes.items()}
    return volumes


def _what_is_missing(places: tuple[Path, ...], found: list[dict[str, Path]]) -> str:
    first, *others = found
    if not first:
        return f"{places[0]} holds no NIfTI or MGH files."
    for place, other in zip(places[1:], others, strict=True):
        missing = [path.name for name, path in first.items() if name not in other]
        if len(missing) == len(first):
            return f"{places[0]} and {place} hold no files of the same name."
        if missing:
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            return (
                f"{place} lacks {len(missing)} of the {len(first)} scans in {places[0]}: "
                f"{', '.join(missing[:_NAMED])}{more}. Add them, or leave them out with --partial."
            )
    return f"{' and '.join(map(str, places))} have no scan in common."
