"""The page on the settings says what is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from synthseg_generator.settings.generator import (
    GeneratorSettings,
    Prior,
    Uniform,
    generator_settings,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "reference" / "generator-settings.md").read_text(encoding="utf-8")


def _names(settings: object, path: str = "") -> Iterator[str]:
    """Every setting as the page writes it: `group.name`."""
    assert is_dataclass(settings)
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value) and not isinstance(value, Uniform | Prior):
            yield from _names(value, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}"


def test_every_setting_is_on_the_page() -> None:
    missing = [name for name in _names(GeneratorSettings()) if f"`{name}" not in PAGE]
    assert not missing


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL))
def test_examples_can_be_read(example: str) -> None:
    assert generator_settings(yaml.safe_load(example)) != GeneratorSettings()


def test_the_example_in_python_runs(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shared_data / "label_tables"
    if not (folder / "prior_means_t1.npy").is_file():
        pytest.skip(f"no official priors in {folder}")
    monkeypatch.chdir(folder)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "generator-settings.md", "exec"), names)
    assert len(names["settings"].mixture.specific_means[0].rows) == 25
