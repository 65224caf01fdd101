from pathlib import Path

from synthseg_client.results.colour_tables import (
    write_ctab,
    write_ctbl,
    write_dseg_tsv,
    write_itksnap,
)


def test_label_tables_for_bids_and_freesurfer(tmp_path: Path) -> None:
    write_dseg_tsv(tmp_path / "x.tsv", [0, 2], ["background", "left white matter"])
    assert (tmp_path / "x.tsv").read_text().splitlines() == [
        "index\tname\tcolor",
        "0\tbackground\t#000000",
        "2\tleft white matter\t#f5f5f5",
    ]
    write_ctab(tmp_path / "x.ctab", [0, 2], ["background", "left white matter"])
    fields = (tmp_path / "x.ctab").read_text().splitlines()[2].split()
    assert fields == ["2", "left-white-matter", "245", "245", "245", "0"]


def test_label_tables_for_itk_snap_and_slicer(tmp_path: Path) -> None:
    write_itksnap(tmp_path / "x.label.txt", [0, 2], ["background", 'left "white" matter'])
    rows = (tmp_path / "x.label.txt").read_text().splitlines()[2:]
    assert [row.split(maxsplit=7) for row in rows] == [
        ["0", "0", "0", "0", "0", "0", "0", '"Clear Label"'],
        ["2", "245", "245", "245", "1", "1", "1", "\"left 'white' matter\""],
    ]
    write_ctbl(tmp_path / "x.ctbl", [0, 2], ["background", "left white matter"])
    assert (tmp_path / "x.ctbl").read_text().splitlines() == [
        "# Color table file x.ctbl",
        "0 background 0 0 0 0",
        "2 left_white_matter 245 245 245 255",
    ]
