from __future__ import annotations

import hashlib
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from dicom_files import write_series
from synthseg_client.dicom import archive
from synthseg_client.dicom.archive import Packed, Reader, dicom_files
from synthseg_client.errors import ScanError


def pack(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


DICOM = b"\0" * 128 + b"DICM" + b"rest"


def test_only_dicom_is_found_in_a_folder_and_in_a_zip(tmp_path: Path) -> None:
    written = write_series(tmp_path / "in")
    (tmp_path / "in" / "notes.txt").write_text("hello")
    assert {file.path for file in dicom_files(tmp_path / "in")} == set(written)
    packed = pack(tmp_path / "a.zip", {"notes.txt": b"hello", "x/y": DICOM, "folder/": b""})
    (found,) = dicom_files(packed)
    with Reader() as reader, reader.open(found) as stream:
        assert stream.read() == DICOM
    with Reader() as reader:
        assert reader.digest(found) == hashlib.sha256(DICOM).hexdigest()


def test_names_in_a_zip_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    packed = pack(tmp_path / "a.zip", {"../../evil": DICOM, "/etc/evil": DICOM, "..\\evil": DICOM})
    files = dicom_files(packed)
    with Reader() as reader:
        for index, file in enumerate(files):
            reader.bring(file, tmp_path / "work" / f"{index}")
    assert len(files) == 3
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0", "1", "2", "a.zip", "work"]


def test_a_zip_that_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pack(tmp_path / "a.zip", {"bomb": DICOM + b"\0" * 5_000_000})
    monkeypatch.setattr(archive, "LARGEST_UNPACKED", 1_000_000)
    with pytest.raises(ScanError, match=r"a\.zip: the zip holds 1 files .* unpack it yourself"):
        dicom_files(packed)


def test_a_zip_with_too_many_names_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pack(tmp_path / "a.zip", {str(n): DICOM for n in range(5)})
    monkeypatch.setattr(archive, "MOST_MEMBERS", 4)
    with pytest.raises(ScanError, match="the zip holds 5 files"):
        dicom_files(packed)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.zip", {"x": DICOM}, zipfile.ZIP_STORED)
    content = bytearray(packed.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 1
    packed.write_bytes(content)
    with pytest.raises(ScanError, match="is encrypted"):
        dicom_files(packed)


def test_a_broken_zip_is_told(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.zip", {"x": DICOM * 50})
    content = bytearray(packed.read_bytes())
    content[40:60] = b"\xff" * 20
    packed.write_bytes(content)
    with pytest.raises(ScanError, match="cannot be read"):
        dicom_files(packed)


def test_a_member_that_is_gone_is_an_error_of_reading(tmp_path: Path) -> None:
    with Reader() as reader, pytest.raises(OSError, match="No such file"):
        reader.digest(Packed(tmp_path / "gone"))


def test_a_length_that_a_header_claims_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"0123456789")
    with Reader() as reader, reader.open(Packed(path)) as stream:
        assert stream.read(4) == b"0123"
        tracemalloc.start()
        assert stream.read(2**32 - 2) == b"456789"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20
        assert stream.read(1) == b""
        stream.seek(8)
        assert stream.read() == b"89"
