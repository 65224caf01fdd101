from __future__ import annotations

import json
from pathlib import Path

import pytest

from containers import sbom

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: a library
 Version: of several lines

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def _written(folder: Path, version: str) -> list[str]:
    """Words for `main`: a bill of materials of one package beside this one, and its pins."""
    parts = [
        {"name": "My_Package", "version": version, "purl": f"pkg:pypi/my-package@{version}"},
        {"name": "synthseg-serving", "version": "9", "purl": "pkg:pypi/synthseg-serving@9"},
    ]
    (folder / "sbom.json").write_text(json.dumps({"components": parts}))
    (folder / "pins.txt").write_text("# Pins.\nmy.package==1.0\n")
    return [str(folder / "sbom.json"), str(folder / "pins.txt")]


def test_the_system_s_packages_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "status").write_text(STATUS)
    monkeypatch.setattr(sbom, "DPKG_STATUS", tmp_path / "status")
    assert sbom.main(_written(tmp_path, "1.0")) == 0
    parts = json.loads((tmp_path / "sbom.json").read_text())["components"]
    assert [part["purl"] for part in parts[2:]] == ["pkg:deb/debian/libc6@2.41-12?arch=amd64"]


def test_an_image_with_a_package_that_is_not_pinned_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sbom.main(_written(tmp_path, "1.1")) == 1
    said = capsys.readouterr().err
    assert "pins.txt does not pin My_Package==1.1: run `make constraints`." in said
