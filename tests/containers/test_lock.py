from __future__ import annotations

import json
from pathlib import Path

import pytest

from containers import lock


def _item(name: str, **download: object) -> dict[str, object]:
    return {"metadata": {"name": name, "version": "1"}, "download_info": download}


def test_pins_are_what_was_resolved_without_this_distribution(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [_item("b", url="u"), _item("A", url="u"), _item("own", url="u", dir_info={})]
    (tmp_path / "report.json").write_text(json.dumps({"install": items}))
    (tmp_path / "pins.txt").write_text("# Why.\nold==1\n")
    assert lock.main([str(tmp_path / "report.json"), str(tmp_path / "pins.txt")]) == 0
    assert (tmp_path / "pins.txt").read_text() == "# Why.\nA==1\nb==1\n"
    assert lock.main([]) == 2
    assert "usage" in capsys.readouterr().err
