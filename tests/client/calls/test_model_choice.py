from __future__ import annotations

import pytest
from synthseg_client.calls.model_choice import ModelChoice


@pytest.mark.parametrize(
    ("choice", "title"),
    [
        (ModelChoice(), "synthseg"),
        (ModelChoice(name="own", version=3), "own:3"),
        (ModelChoice(label="stable"), "synthseg@stable"),
    ],
)
def test_a_choice_is_written_as_the_command_line_takes_it(choice: ModelChoice, title: str) -> None:
    assert choice.title == title


def test_the_wire_gets_a_version_or_a_label_only_where_one_was_chosen() -> None:
    newest = ModelChoice().to_spec("describe")
    assert (newest.name, newest.signature_name) == ("synthseg", "describe")
    assert not newest.HasField("version")
    assert ModelChoice(version=3).to_spec().version.value == 3
    labelled = ModelChoice(label="stable").to_spec()
    assert (labelled.version_label, labelled.HasField("version")) == ("stable", False)
