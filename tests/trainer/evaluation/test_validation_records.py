"""Scores of checkpoints come back from their files, and from no others."""

from pathlib import Path

import numpy as np
import pytest
from synthseg_trainer.aliases import JsonObject
from synthseg_trainer.evaluation.validation_records import (
    Record,
    ValidationError,
    read_records,
    setup_of,
    write_record,
)

DICE = np.array([[0.5, np.nan], [0.25, 0.75]])
RECORD = Record(100, ("one", "two"), (3, 42), ("left", "right"), DICE)


@pytest.fixture
def setup(tmp_path: Path) -> JsonObject:
    """How two scans are scored."""
    for name in RECORD.scans:
        (tmp_path / name).write_text(name)
    return setup_of({"flip": False}, {name: (tmp_path / name,) for name in RECORD.scans})


def test_scores_come_back_with_the_digest_of_their_weights(
    tmp_path: Path, setup: JsonObject
) -> None:
    write_record(tmp_path, RECORD, "abc", setup)
    ((found, digest),) = read_records(tmp_path, setup).values()
    assert digest == "abc"
    assert (found.step, found.scans, found.labels, found.names) == (
        *(100, ("one", "two"), (3, 42)),
        ("left", "right"),
    )
    np.testing.assert_array_equal(found.dice, DICE)
    assert found.mean == pytest.approx((0.5 + 0.5) / 2)


def test_scores_of_files_that_hold_something_else_are_refused(
    tmp_path: Path, setup: JsonObject
) -> None:
    write_record(tmp_path, RECORD, "abc", setup)
    (tmp_path / "two").write_text("changed")
    changed = setup_of({"flip": False}, {name: (tmp_path / name,) for name in RECORD.scans})
    with pytest.raises(ValidationError, match="files of the same names hold something else"):
        read_records(tmp_path, changed)


def test_a_file_that_holds_no_scores_is_named(tmp_path: Path, setup: JsonObject) -> None:
    (tmp_path / "step-00000100.json").write_text("{}")
    with pytest.raises(ValidationError, match=r"step-00000100\.json holds no scores: .* Remove"):
        read_records(tmp_path, setup)


def test_a_scan_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="none cannot be read: No such file"):
        setup_of({}, {"none": (tmp_path / "none",)})
