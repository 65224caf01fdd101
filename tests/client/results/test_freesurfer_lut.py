from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.errors import UsageError
from synthseg_client.results.embedded_colours import ColourEntry
from synthseg_client.results.freesurfer_lut import read_lut

# As FreeSurfer's own: comments, empty lines, more fields, spaces at the end, lines of Windows.
LIST = """#$Id: FreeSurferColorLUT.txt$

#No. Label Name:                            R   G   B   A
0   Unknown                                 0   0   0   0
2   Left-Cerebral-White-Matter              245 245 245 0
  613  Cbm_Right_CrusII 12                    48  255 0 \r
902       Artery                           204 0 0 255 # vessels
1001    ctx-lh-bankssts                     25  100 40  0
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "FreeSurferColorLUT.txt"
    path.write_text(text)
    return path


def test_every_label_of_a_list_is_read_in_order(tmp_path: Path) -> None:
    entries = read_lut(_written(tmp_path, LIST))
    assert [entry.value for entry in entries] == [0, 2, 613, 902, 1001]
    assert entries[2] == ColourEntry(613, "Cbm_Right_CrusII", 12, 48, 255, 0)
    assert entries[3].transparency == 255


def test_of_a_number_that_comes_twice_the_last_line_counts(tmp_path: Path) -> None:
    entries = read_lut(_written(tmp_path, f"{LIST}2 White 1 2 3 4\n"))
    assert entries[1] == ColourEntry(2, "White", 1, 2, 3, 4)
    assert len(entries) == 5


@pytest.mark.parametrize(
    "line",
    [
        "17 Left-Hippocampus 220 216 20",  # no transparency
        "17 Left Hippocampus 220 216 20 0",  # two words
        "17 Left-Hippocampus 220 216 256 0",
        "-1 Left-Hippocampus 220 216 20 0",
        "4000000000 Left-Hippocampus 220 216 20 0",
        "x Left-Hippocampus 220 216 20 0",
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"FreeSurferColorLUT.txt, line 9: .*expected number"):
        read_lut(_written(tmp_path, f"{LIST}{line}\n"))


def test_what_is_no_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_lut(tmp_path / "missing.txt")
    with pytest.raises(UsageError, match="holds no label"):
        read_lut(_written(tmp_path, "# nothing\n"))
    path = tmp_path / "image.txt"
    path.write_bytes(b"\x1f\x8b\xff")
    with pytest.raises(UsageError, match="no UTF-8 text"):
        read_lut(path)
