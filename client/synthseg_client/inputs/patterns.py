"""File name patterns as a shell reads them; what a shell alone understands is refused in words."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from synthseg_client.errors import UsageError
from synthseg_client.inputs.places import is_folder

RECURSIVE = "**"
# What only a shell expands, and the words for it. None of it is expanded between quotes.
_IN_PATTERNS = (
    (
        re.compile(r"\{[^/]*(?:,|\.\.)[^/]*\}"),
        "alternatives in braces are the shell's: leave out the quotes, or give one pattern for "
        "each; [{] stands for the character",
    ),
    (
        re.compile(r"[@!+?*]\("),
        "extended patterns are the shell's: leave out the quotes, or give one pattern for each; "
        "[(] stands for the character",
    ),
    (
        re.compile(r"\([^/]*\|[^/]*\)"),
        "alternatives in parentheses are the shell's: leave out the quotes, or give one pattern "
        "for each; [(] stands for the character",
    ),
)
_CLASSES = (
    (
        re.compile(r"\[[^/]*\[[:.=]"),
        "classes like [:digit:] are the shell's: write out the characters, as in [0-9]",
    ),
)
_IN_PATHS = (
    (
        re.compile(r"^~|(?:^|/)\$\{?[A-Za-z_]"),
        "a home folder or a variable is the shell's to put in, which it does not between quotes or "
        "after '=': write out the path",
    ),
    (
        re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://"),
        "is an address, which this option does not take: expected a path",
    ),
)


def refuse_unexpanded_path(text: str, told_as: str) -> None:
    """Refuses a name that only a shell or another program turns into a path.

    Args:
        text: A name under which nothing is there.
        told_as: What messages call it.

    Raises:
        UsageError: It begins with `~`, holds a variable, or is an address.
    """
    _refuse(_IN_PATHS, text, told_as)


def refuse_unexpanded_pattern(text: str) -> None:
    """Refuses a pattern that only a shell expands.

    Raises:
        UsageError: It holds alternatives, an extended pattern or a class, or is no path.
    """
    _refuse((*_IN_PATHS, *_CLASSES), text, text)
    _refuse(_IN_PATTERNS, _QUOTED.sub("_", text), text)


def _refuse(forms: Iterable[tuple[re.Pattern[str], str]], text: str, told_as: str) -> None:
    for form, words in forms:
        if form.search(text):
            raise UsageError(f"{told_as}: {words}.")


def is_pattern(text: str) -> bool:
    """Whether a name holds `*`, `?` or `[...]` without a backslash before it."""
    return any(_is_magic(part) for part in text.split("/"))


def matches(pattern: str) -> list[Path]:
    """What a pattern matches, sorted: files and folders, as bash has them with `globstar`.

    `**` as a whole part of the path stands for any number of folders, none included, of which only
    the last may be a link. Names that begin with a dot are matched by a dot only.

    Raises:
        UsageError: `**` is glued to other characters, or a folder may not be listed.
    """
    parts = tuple(part for part in pattern.split("/") if part)
    for part in parts:
        if RECURSIVE in _QUOTED.sub("_", part) and part != RECURSIVE:
            raise UsageError(
                f"{pattern}: ** stands for folders and is a whole part of a path, not "
                f"{part}: write {RECURSIVE}/{part.replace(RECURSIVE, '*')}, or one *."
            )
    try:
        found = {path for path in _below("/" * pattern.startswith("/"), parts) if path}
    except OSError as error:
        raise UsageError(
            f"{error.filename}: cannot be listed: {error.strerror}: choose a pattern without it."
        ) from error
    paths = sorted(map(Path, found))
    return [path for path in paths if is_folder(path)] if pattern.endswith("/") else paths


def _below(folder: str, parts: tuple[str, ...]) -> Iterator[str]:
    """What the rest of a pattern matches in a folder; the empty name is the current one."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == RECURSIVE:
        yield from _below(folder, rest)
        for entry in _listed(folder) if rest[:1] != (RECURSIVE,) else ():
            goes_on = entry.is_dir(follow_symlinks=False)
            if not entry.name.startswith(".") and (goes_on or not rest or entry.is_symlink()):
                place = os.path.join(folder, entry.name)  # noqa: PTH118
                yield from _below(place, parts if goes_on else rest)
    elif _is_magic(part):
        form = re.compile(_regex(part), re.DOTALL)
        for entry in _listed(folder):
            hidden = entry.name.startswith(".") and not part.removeprefix("\\").startswith(".")
            if not hidden and form.fullmatch(entry.name):
                yield from _below(os.path.join(folder, entry.name), rest)  # noqa: PTH118
    else:
        place = os.path.join(folder, _UNESCAPE.sub(r"\1", part))  # noqa: PTH118
        if _is_seen(place):
            yield from _below(place, rest)


def _listed(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing in what is none."""
    try:
        with os.scandir(folder or ".") as entries:
            return list(entries)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return []
        raise


def _is_seen(place: str) -> bool:
    """Whether there is something, be it a link to nothing."""
    try:
        os.lstat(place)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return False
        raise
    return True


_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BRACKET = re.compile(r"\[([!^]?+)((?:\\.|[^\\])(?:\\.|[^\\\]])*)\]", re.DOTALL)
_QUOTED = re.compile(rf"{_BRACKET.pattern}|\\.", re.DOTALL)
_TOKEN = re.compile(rf"{_BRACKET.pattern}|\\(.)|(.)", re.DOTALL)
_IN_BRACKET = re.compile(r"(?:\\(.)|(.))(?:-(?:\\(.)|(.)))?", re.DOTALL)


def _is_magic(part: str) -> bool:
    return any(token[0] in "*?" or len(token[0]) > 2 for token in _TOKEN.finditer(part))


def _regex(part: str) -> str:
    """One part of a pattern as a regular expression."""
    written = []
    for token in _TOKEN.finditer(part):
        negated, inside, escaped, plain = token.groups()
        if inside is not None:
            written.append(_one_of(inside, negated != ""))
        elif escaped is not None:
            written.append(re.escape(escaped))
        else:
            written.append({"*": ".*", "?": "."}.get(plain) or re.escape(plain))
    return "".join(written)


def _one_of(inside: str, negated: bool) -> str:
    """What stands between brackets as a regular expression."""
    ranges = []
    for item in _IN_BRACKET.finditer(inside):
        first = item[1] or item[2]
        last = item[3] or item[4] or first
        if first <= last:
            ranges.append(f"{re.escape(first)}-{re.escape(last)}")
    if not ranges:
        return "." if negated else "(?!)"
    return f"[{'^' * negated}{''.join(ranges)}]"
