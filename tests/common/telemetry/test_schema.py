"""The schema of a JSON log, and the page that tells it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from synthseg_common.telemetry import schema

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/logs.md"


def test_every_field_is_used_and_every_event_has_known_fields() -> None:
    used = {name for names in schema.EVENTS.values() for name in names}
    assert used == set(schema.FIELDS)
    assert not used & (set(schema.ALWAYS) | set(schema.TRACE))


def test_what_the_schema_does_not_know_is_refused() -> None:
    schema.check_fields("note", {"message": "a"})
    with pytest.raises(KeyError, match="note has no field exit_code"):
        schema.check_fields("note", {"exit_code": 1})
    with pytest.raises(TypeError, match=r"note\.message is int"):
        schema.check_fields("note", {"message": 1})
    with pytest.raises(TypeError):  # a truth value is no number here
        schema.check_fields("command.finished", {"exit_code": True})


def test_the_page_tells_every_event_and_field_with_its_meaning() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, re.MULTILINE))
    for name, field in {**schema.ALWAYS, **schema.TRACE, **schema.FIELDS}.items():
        assert rows[name].replace("*private*: ", "") == field.meaning
        assert rows[name].startswith("*private*") == field.private
    for event, names in schema.EVENTS.items():
        (told,) = re.findall(rf"^\| `{re.escape(event)}` \| .+? \| (.+?) \|$", text, re.MULTILINE)
        assert re.findall(r"`(\w+)`", told) == list(names)
