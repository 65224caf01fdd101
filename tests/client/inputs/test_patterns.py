from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from synthseg_client.errors import UsageError
from synthseg_client.inputs.patterns import is_pattern, matches, refuse_unexpanded_pattern

_NAMES = ("x", "d/x", "d/e/x", "d/.x", ".h/x", ".h/e/x", "a*b", "a!b", "a^b", "a]b", "a\\b", "aab")
FILES = (*_NAMES, "a-b", "a\nb", "aéb", "ab")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name, target in {"l": "d", "dead": "nowhere", "lx": "x", "d/self": ".", "o": "o"}.items():
        (tmp_path / name).symlink_to(target)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("bash") is None, reason="compares with bash")
@pytest.mark.parametrize(
    "pattern",
    [
        *("**/x", "**", "**/", "**/e/x", "d/**", "d/**/x", "**/**/x", "**/d/**/x", "l/**/x", "*/x"),
        *("**/.x", ".h/**", ".h/**/x", ".*/x", "dead*", "o*", "*d", "*/", "d/**/..", "o/*", "x/*"),
        *(
            "a[!*]b",
            "a[^*]b",
            "a[\\]]b",
            "a[]]b",
            "a[!]]b",
            "a[\\\\]b",
            "a[!^]b",
            "a[*-]b",
            "*\\**",
        ),
        *("a[^a-z]b", "a[z-a]b*", "a?b", "a??b", "a*b", "a[!]*b", "a[a/b]*", "[d]/**/[x]"),
    ],
)
def test_a_pattern_matches_what_bash_matches(tree: Path, pattern: str) -> None:
    script = 'shopt -s globstar nullglob; IFS=; printf "%s\\0" $1'
    # Without a folder before it bash leaves out what `**` matches in linked folders.
    asked = f"./{pattern}" if pattern.startswith("**") else pattern
    command = ["bash", "-c", script, "bash", asked]
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    out = subprocess.run(command, capture_output=True, check=True, env=env).stdout
    expected = {Path(os.fsdecode(name)) for name in out.split(b"\0") if name} - {Path()}
    assert set(matches(pattern)) == expected
    assert {tree / path for path in expected} == set(matches(f"{tree}/{pattern}")) - {tree}


@pytest.mark.parametrize("pattern", ["data/a**b", "**.nii", "sub-**/x", "***/x"])
def test_two_stars_beside_other_characters_are_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match=rf"{re.escape(pattern)}: \*\* stands for folders"):
        matches(pattern)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sub-{01,02}/*.nii", "alternatives in braces"),
        ("sub-{01..12}_T1w.nii.gz", "alternatives in braces"),
        ("@(a|b).nii", "extended patterns"),
        ("!(a)*.nii", "extended patterns"),
        ("*.(nii|mgz)", "alternatives in parentheses"),
        ("s[[:digit:]]*.nii", "write out the characters"),
        ("~/scans/*.nii", "home folder"),
        ("~anna/s.nii", "home folder"),
        ("$HOME/s.nii", "variable"),
        ("/data/${SUBJECT}/*.nii", "variable"),
        ("s3://bucket/*.nii.gz", "is an address"),
        ("https://host/s.nii.gz", "is an address"),
    ],
)
def test_what_only_a_shell_expands_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        refuse_unexpanded_pattern(text)
    assert str(refused.value).startswith(text)


@pytest.mark.parametrize(
    "text", ["T1 (1).nii", "a{b}.nii", "x~1.nii", "a$1.nii", r"\{a,b\}*", "[{]a,b}*.nii", "c:/x"]
)
def test_what_no_shell_expands_is_taken_as_it_is(text: str) -> None:
    refuse_unexpanded_pattern(text)


def test_a_backslash_makes_a_pattern_a_name() -> None:
    assert is_pattern("a*")
    assert is_pattern("a[b]/c")
    assert not is_pattern(r"a\*b\?\[c]")
    assert not is_pattern("a[b")


def test_a_folder_that_may_not_be_listed_is_told(
    as_nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "locked").mkdir(mode=0o700)
        for pattern in (f"{name}/**/*.nii", f"{name}/*/anat/*.nii"):
            with as_nobody(), pytest.raises(UsageError, match=r"locked.*: cannot be listed: Perm"):
                matches(pattern)
