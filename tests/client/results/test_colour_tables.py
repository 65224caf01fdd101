from pathlib import Path

from synthseg_client.results.colour_tables import write_ctab, write_dseg_tsv


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
