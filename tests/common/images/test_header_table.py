"""Every bad value of docs/reference/headers.md, written to a file and given to every reader."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_records import without_dask
from raw_images import AFFINE, LABELS, VOXEL_MM, mgh, nifti
from synthseg_client.errors import ScanError
from synthseg_client.inputs.scans import read_scan
from synthseg_common.arrays import AnyArray
from synthseg_generator.errors import LabelError
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.label_map_files import read_headers, read_label_map
from synthseg_trainer.evaluation.image_files import ImageFileError, read_labels

TABLE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "headers.md"
NAN, INF = float("nan"), float("inf")
SINGULAR = np.diag([1.0, 1.0, 0.0, 1.0])
ELSEWHERE = AFFINE.copy()
ELSEWHERE[0, 3] += 5
SHEARED = AFFINE @ np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
EXTENSION = b"\1\0\0\0" + np.array([64, 4], "<i4").tobytes() + b"x" * 8


@dataclass(frozen=True)
class Case:
    """A bad value: where it stands, how it gets there, and what becomes of it.

    `outcome` is "warning" or "refused" followed by words of the message.
    """

    file: str
    field: str
    value: str
    content: Callable[[], bytes]
    outcome: str
    words: str

    @property
    def row(self) -> tuple[str, str, str, str]:
        return self.file, self.field, self.value, self.outcome


def fields(**values: Any) -> Callable[[Any], None]:
    def edit(header: Any) -> None:
        for name, value in values.items():
            header[name] = value

    return edit


def forms(sform: Any, qform: Any, **values: Any) -> Callable[[Any], None]:
    """Sets sform and qform, each an affine with its code, then single fields."""

    def edit(header: Any) -> None:
        header.set_sform(*sform)
        header.set_qform(*qform)
        fields(**values)(header)

    return edit


def sizes(*pixdim: float, sform_code: int = 1) -> Callable[[Any], None]:
    def edit(header: Any) -> None:
        header["pixdim"][1:4] = pixdim
        header["sform_code"] = sform_code

    return edit


def first_size(value: float) -> Callable[[Any], None]:
    def edit(header: Any) -> None:
        header["pixdim"][0] = value

    return edit


def dim(index: int, value: int) -> Callable[[Any], None]:
    def edit(header: Any) -> None:
        header["dim"][index] = value

    return edit


def scaled(factor: float, units: int) -> Callable[[Any], None]:
    """The same place counted in another unit."""

    def edit(header: Any) -> None:
        matrix = np.diag([factor, factor, factor, 1]) @ AFFINE
        forms((matrix, 1), (matrix, 1), xyzt_units=units)(header)

    return edit


def nii(field: str, value: str, edit: Any, outcome: str, words: str, **kinds: Any) -> Case:
    return Case("NIfTI", field, value, lambda: nifti(edit, **kinds), outcome, words)


def fs(field: str, value: str, edit: Any, outcome: str, words: str) -> Case:
    return Case("MGH", field, value, lambda: mgh(edit), outcome, words)


CASES = (
    nii("sizeof_hdr", "not 348 (540)", fields(sizeof_hdr=0), "warning", "sizeof_hdr is 0"),
    nii("magic", "unknown", fields(magic=b"abc"), "refused", "is not a NIfTI image"),
    nii(
        "eol_check",
        "line ends converted (NIfTI-2)",
        fields(eol_check=(13, 13, 10, 26)),
        "refused",
        "damaged in transfer",
        two=True,
    ),
    nii("dim[0]", "not 1 to 7", dim(0, 9), "refused", "9 dimensions"),
    nii("dim[0]", "below 3", dim(0, 2), "refused", "three dimensions"),
    nii("dim[1..]", "0", dim(2, 0), "refused", "6x0x8 voxels"),
    nii("dim[1..]", "negative", dim(1, -6), "refused", "-6x7x8 voxels"),
    nii("dim[1..]", "more than the file holds", dim(3, 900), "refused", "cannot hold them"),
    nii("datatype", "unknown", fields(datatype=7777), "refused", "datatype 7777"),
    nii("datatype", "complex", None, "refused", "complex", values=LABELS.astype(np.complex64)),
    nii("bitpix", "not that of datatype", fields(bitpix=99), "warning", "bitpix is 99"),
    nii("pixdim[0]", "not 1, -1 or 0", first_size(3), "warning", r"pixdim\[0\]\) is 3"),
    nii(
        "pixdim[0]",
        "negative, but not -1",
        forms((None, 0), (AFFINE, 1), pixdim=(-3, *VOXEL_MM, 1, 1, 1, 1)),
        "warning",
        r"pixdim\[0\]\) is -3.*took 1.*ITK.*mirrored",
    ),
    nii("pixdim[1..3]", "0, with an sform", sizes(0, 1, 1), "warning", "took it from the sform"),
    nii("pixdim[1..3]", "NaN, with an sform", sizes(NAN, 1, 1), "warning", "from the sform"),
    nii("pixdim[1..3]", "negative, with an sform", sizes(-1, 1, 1), "warning", "sform.*ITK"),
    nii(
        "pixdim[1..3]",
        "0, NaN or negative, no sform",
        sizes(0, 1, 1, sform_code=0),
        "refused",
        "voxel size 0, 1, 1 mm is impossible",
    ),
    nii("pixdim[1..3]", "not those of the sform", sizes(2, 2, 2), "warning", "2 x 2 x 2 mm voxels"),
    nii("vox_offset", "within the header", fields(vox_offset=16), "warning", "from byte 352 on"),
    nii("vox_offset", "0", fields(vox_offset=0), "warning", "from byte 352 on"),
    nii("vox_offset", "NaN", fields(vox_offset=NAN), "warning", "from byte 352 on"),
    nii("vox_offset", "no whole number", fields(vox_offset=352.5), "warning", "took 352"),
    nii("vox_offset", "beyond the file", fields(vox_offset=1e9), "refused", "cannot hold them"),
    nii(
        "vox_offset",
        "within an extension",
        fields(vox_offset=368),
        "refused",
        "extension reaches to byte 416",
        extension=EXTENSION,
    ),
    nii(
        "vox_offset",
        "before an extension",
        fields(vox_offset=352),
        "refused",
        "extension reaches to byte 416",
        extension=EXTENSION,
    ),
    nii("scl_slope", "infinite", fields(scl_slope=INF), "warning", "scale factor inf"),
    nii("scl_inter", "NaN or infinite", fields(scl_inter=NAN), "warning", "added nothing"),
    nii("xyzt_units", "metres", scaled(1e-3, 1), "warning", "metres: converted"),
    nii("xyzt_units", "micrometres", scaled(1e3, 3), "warning", "micrometres: converted"),
    nii("xyzt_units", "unknown", fields(xyzt_units=7), "warning", "took millimetres"),
    nii(
        "xyzt_units",
        "one that makes voxels above 100 mm",
        fields(xyzt_units=1),
        "refused",
        r"counts in metres\) cannot be right",
    ),
    nii(
        "xyzt_units",
        "one that makes voxels below 0.01 mm",
        fields(xyzt_units=3),
        "refused",
        r"counts in micrometres\) cannot be right",
    ),
    nii(
        "sform_code",
        "unknown, with a qform",
        fields(sform_code=77),
        "warning",
        "sform_code 77 is unknown: used the qform",
    ),
    nii(
        "sform_code",
        "unknown, no qform",
        fields(sform_code=77, qform_code=0),
        "warning",
        "sform_code 77 is unknown: used the sform all the same",
    ),
    nii("sform_code", "negative", fields(sform_code=-3), "warning", "sform_code -3 is unknown"),
    nii(
        "qform_code",
        "unknown",
        fields(qform_code=9),
        "warning",
        "qform_code 9 is unknown: took the qform as one of another space",
    ),
    nii("qform_code", "negative", fields(qform_code=-3), "warning", "qform_code -3 is unknown"),
    nii(
        "sform",
        "singular or not finite, with a qform",
        fields(srow_x=(0, 0, 0, NAN)),
        "warning",
        "the sform is no possible place.*used the qform",
    ),
    nii(
        "sform",
        "singular or not finite, no qform",
        forms((SINGULAR, 1), (None, 0)),
        "refused",
        "its affine is singular",
    ),
    nii(
        "qform",
        "no rotation, with an sform",
        fields(quatern_b=2),
        "warning",
        "the qform is no possible place.*used the sform",
    ),
    nii(
        "qform",
        "no rotation, no sform",
        fields(quatern_b=NAN, sform_code=0),
        "refused",
        "its affine is singular",
    ),
    nii(
        "sform and qform",
        "neither has a code",
        fields(sform_code=0, qform_code=0),
        "warning",
        "neither sform nor qform.*ITK.*--keepgeom",
    ),
    nii(
        "sform and qform",
        "more than 0.5 mm apart",
        forms((AFFINE, 1), (ELSEWHERE, 1)),
        "warning",
        r"disagree.*5\.0 mm.*used the sform.*ITK.*fslorient",
    ),
    nii(
        "sform and qform",
        "sheared sform, with a qform",
        forms((SHEARED, 1), (AFFINE, 1)),
        "warning",
        "sheared.*show scan and labels by the qform",
    ),
    nii(
        "sform and qform",
        "sheared sform alone",
        forms((SHEARED, 1), (None, 0)),
        "warning",
        "sheared.*cannot open",
    ),
    fs("version", "not 1", fields(version=7), "refused", "is not an MGH image|is no MGH file"),
    fs("dims", "0 or negative", fields(dims=(6, 0, 8, 1)), "refused", "6x0x8x1 voxels"),
    fs("dims", "more than the file holds", fields(dims=(6, 7, 900, 1)), "refused", "cannot hold"),
    fs("type", "unknown", fields(type=9), "refused", "voxel type .code 9. is unknown"),
    fs("goodRASFlag", "0", fields(goodRASFlag=0), "warning", "does not say how the head lies"),
    fs("delta", "0, negative or NaN", fields(delta=(1, NAN, 1)), "refused", "is impossible"),
    fs("Mdc", "singular or not finite", fields(Mdc=np.zeros((3, 3))), "refused", "singular"),
    fs("Pxyz_c", "not finite", fields(Pxyz_c=(INF, 0, 0)), "refused", "not finite"),
)


def segment(path: Path, told: list[str]) -> np.ndarray:
    scan = read_scan(path)
    told.extend(scan.warnings)
    return scan.image


def ingest(path: Path, _told: list[str]) -> np.ndarray:
    read_headers(path.parent)
    ids, _affine = read_label_map(path, LABEL_TABLES["v2"])
    return ids


def evaluate(path: Path, _told: list[str]) -> np.ndarray:
    return read_labels(path).values


Reader = Callable[[Path, list[str]], AnyArray]
READERS: dict[Reader, type[Exception]] = {
    segment: ScanError,
    ingest: LabelError,
    evaluate: ImageFileError,
}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}-{case.field}-{case.value}")
def test_a_bad_header_value_gets_what_the_table_says(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    case: Case,
    reader: Reader,
) -> None:
    path = tmp_path / ("map.nii" if case.file == "NIfTI" else "map.mgh")
    path.write_bytes(case.content())
    told: list[str] = []
    if case.outcome == "refused":
        with pytest.raises(READERS[reader], match=case.words) as caught:
            reader(path, told)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    else:
        with caplog.at_level(logging.WARNING):
            values = reader(path, told)
        told.extend(record.getMessage() for record in without_dask(caplog))
        assert re.search(case.words, " ".join(told))
        assert np.count_nonzero(values) == np.count_nonzero(LABELS)
    assert capfd.readouterr() == ("", "")  # nothing that does not name the file


def test_an_unknown_code_is_told_once_and_nothing_is_said_of_a_singular_form(
    tmp_path: Path,
) -> None:
    (tmp_path / "map.nii").write_bytes(nifti(fields(sform_code=77)))
    (note,) = read_scan(tmp_path / "map.nii").warnings
    assert "sform_code 77" in note


def test_the_table_in_the_documentation_is_this_one() -> None:
    rows = [
        tuple(cell.strip(" `") for cell in line.strip("|").split("|"))
        for line in TABLE.read_text().splitlines()
        if line.startswith(("| NIfTI", "| MGH"))
    ]
    assert [row[:4] for row in rows] == [case.row for case in CASES]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@pytest.mark.parametrize("content", [nifti, mgh])
def test_a_sound_header_is_read_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: Callable[[], bytes], reader: Reader
) -> None:
    path = tmp_path / ("map.nii" if content is nifti else "map.mgh")
    path.write_bytes(content())
    told: list[str] = []
    reader(path, told)
    assert told == []
    assert without_dask(caplog) == []
