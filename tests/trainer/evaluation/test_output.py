from pathlib import Path

import pytest
from synthseg_trainer.evaluation.output import OutputError, prepare_folder


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())


@pytest.mark.parametrize("place", ["file", "file/folder"])
def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("taken")
    with pytest.raises(OutputError, match=f"{place} cannot be written to: .* --o"):
        prepare_folder(tmp_path / place)
