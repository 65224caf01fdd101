from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from containers import digests

DIGEST = "sha256:" + "0a" * 32
TEXT = "# A base.\nARG BASE=some/image:1.2{}\nFROM ${{BASE}}\nARG BASE_NOT=other:3\n"


@pytest.mark.parametrize("before", ["", "@sha256:" + "0b" * 32])
def test_the_base_gets_its_registry_s_digest_and_nothing_else_changes(before: str) -> None:
    asked = []

    def digest_of(tag: str) -> str:
        asked.append(tag)
        return DIGEST

    assert digests.with_digests(TEXT.format(before), digest_of) == TEXT.format("@" + DIGEST)
    assert asked == ["some/image:1.2"]


def test_a_registry_that_does_not_answer_changes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(TEXT.format(""))
    (tmp_path / "docker").write_text("#!/bin/sh\necho no such host >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert digests.main([str(path)]) == 1
    assert path.read_text() == TEXT.format("")
    assert capsys.readouterr().err == (
        f"{path}: some/image:1.2: no digest from its registry, it said: no such host\n"
    )
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho {DIGEST}\n")
    assert digests.main([str(path)]) == 0
    assert path.read_text() == TEXT.format("@" + DIGEST)


def test_all_dockerfiles_are_found() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*Dockerfile"],
        cwd=digests.REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    found = {str(path.relative_to(digests.REPOSITORY)) for path in digests.dockerfiles()}
    assert found == set(tracked)
