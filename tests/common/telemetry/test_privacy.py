"""How a log speaks of scans."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest
from synthseg_common.telemetry.privacy import ScanIds, without_words

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_same_key_gives_the_same_id_and_another_key_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scan = tmp_path / "sub-anna_T1w.nii.gz"
    assert ScanIds("k").of(scan) == ScanIds("k").of(str(scan))
    assert ScanIds("k").of(scan) != ScanIds("other").of(scan)
    assert ScanIds().of(scan) != ScanIds().of(scan), "without a key, nobody can find out"
    monkeypatch.setenv("SYNTHSEG_LOG_KEY", "k")
    assert ScanIds().of(scan) == ScanIds("k").of(scan)
    monkeypatch.chdir(tmp_path)
    assert ScanIds("k").of(scan.name) == ScanIds("k").of(scan)
    assert ScanIds("k").of("s3://a/b") == ScanIds("k").of("s3://a/b")


@pytest.mark.parametrize(
    ("logger", "text", "values", "shown"),
    [
        ("synthseg_client.a", "%s: %d voxels of %r", ("anna.nii", 5, "x"), "…: 5 voxels of …"),
        ("synthseg_client.a", "all is well", (), "all is well"),
        ("synthseg_client.a", "%x of it", ("anna",), None),
        ("nibabel", "anna.nii is odd", (), None),
    ],
)
def test_of_a_record_only_its_numbers_are_shown(
    logger: str, text: str, values: tuple[object, ...], shown: str | None
) -> None:
    record = logging.LogRecord(logger, logging.INFO, "f.py", 1, text, values, None)
    assert without_words(record) == shown


def test_no_logging_of_ours_puts_values_into_the_text_itself() -> None:
    """Else they would be shown."""
    put_in = [
        f"{path}:{node.lineno}"
        for package in REPOSITORY.glob("*/synthseg_*")
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("log", "_log", "logger", "logging")
        and not isinstance(node.args[0], ast.Constant)
    ]
    assert put_in == []
