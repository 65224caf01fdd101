"""A series to a scan: dcm2niix reads the pixels in a private folder, which vanishes again."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from synthseg_common.arrays import AnyArray, Float64Array

from synthseg_client.dicom.archive import Reader
from synthseg_client.dicom.frames import write_frames
from synthseg_client.dicom.geometry import Shape, farthest_from_voxels, shape_of, straightened
from synthseg_client.dicom.series import DicomSeries
from synthseg_client.dicom.stacks import Stack
from synthseg_client.errors import ScanError
from synthseg_client.inputs.scans import Scan, check_scan, read_scan

_NAME = "scan"
_LONGEST_S = 1800
_MOST_WARNINGS = 8
_NEAR_VOXELS = 0.1
# Deflated files are inflated here; dcm2niix reads all others but these.
_UNREADABLE = {
    "1.2.840.10008.1.2.4.100": "MPEG-2",
    "1.2.840.10008.1.2.4.102": "MPEG-4",
    "1.2.840.10008.1.2.4.107": "HEVC",
    "1.2.840.10008.1.2.4.110": "JPEG XL",
    "1.2.840.10008.1.2.4.111": "JPEG XL",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000",
    "1.2.840.10008.1.2.4.202": "High-Throughput JPEG 2000",
    "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
}
# What is said of geometry is said by us, in our words.
_SILENCED = ("gantry tilt", "Interslice distance", "order is not spatial", "Unable to determine")
_LONG_NUMBERS = re.compile(r"\d[\d.]{7,}")


def read_series(series: DicomSeries) -> Scan:
    """The scan that a series is, with the converter's warnings.

    The voxels are dcm2niix's. Where slices are shifted (a tilted gantry) or uneven, a straight
    volume is made of them.

    Raises:
        ScanError: It is compressed in a way that is not read, has holes, or is not converted to one
            volume that lies where the series does.
    """
    stack = series.stack
    _refuse_syntax(series)
    shape = shape_of(stack)
    if shape.has_hole:
        raise ScanError(
            f"{series.title}: slices are missing: {shape.widest_mm:.1f} mm lie between two of "
            f"them, {shape.step_mm:.1f} mm between others: export the series again, whole, or "
            "choose another with --series."
        )
    with tempfile.TemporaryDirectory(prefix="synthseg-dicom-") as name:
        folder = Path(name)
        scan, warnings = _converted(series, folder)
    if shape.is_regular:
        _refuse_elsewhere(series, scan)
    else:
        image, affine = straightened(_in_order(scan, stack), stack)
        # Its header says how much was guessed, of a file that nobody sees.
        scan = check_scan(series.source, image, affine)
    notes = (*series.notes, *_told_of(shape), *warnings)
    return replace(scan, path=series.source, warnings=(*notes, *scan.warnings))


def _refuse_syntax(series: DicomSeries) -> None:
    for header in series.stack.headers:
        if header.syntax in _UNREADABLE:
            raise ScanError(
                f"{series.title}: is compressed as {_UNREADABLE[header.syntax]} "
                f"({header.syntax}), which dcm2niix does not read: decompress it, for instance "
                "with `gdcmconv --raw`."
            )


def _converted(series: DicomSeries, folder: Path) -> tuple[Scan, list[str]]:
    """What dcm2niix makes of the series' files, and its warnings."""
    inside, outside = folder / "in", folder / "out"
    inside.mkdir()
    outside.mkdir()
    try:
        _bring(series.stack, inside)
    except (OSError, ValueError, AttributeError) as error:
        raise ScanError(f"{series.title}: cannot be read: {error}.") from error
    said = _run(series.source, inside, outside)
    warnings = [f"dcm2niix: {line}" for line in _warnings(said, folder)]
    made = sorted(path for path in outside.glob("*.nii") if not _is_corrected(path))
    fits = [scan for path in made if (scan := _read(path, series)) is not None]
    if len(fits) != 1:
        raise ScanError(
            f"{series.title}: dcm2niix makes {len(made)} volumes of these slices, expected one: "
            f"{'; '.join(warnings) or 'the series may be broken: export it again'}."
        )
    return fits[0], warnings


def _bring(stack: Stack, inside: Path) -> None:
    """Puts the slices where the converter looks, one file each."""
    with Reader() as reader:
        for index, header in enumerate(stack.headers):
            syntax = UID(header.syntax)
            if not header.is_multi_frame and syntax != DeflatedExplicitVRLittleEndian:
                reader.bring(header.packed, inside / f"{index:06d}.dcm")
                continue
            with reader.open(header.packed) as stream:
                data = dcmread(stream)
            plain = ExplicitVRLittleEndian if syntax == DeflatedExplicitVRLittleEndian else syntax
            data.file_meta.TransferSyntaxUID = plain
            if header.is_multi_frame:
                places = [frame.place for frame in stack.frames if frame.header is header]
                write_frames(data, plain, places, inside, start=index)
            else:
                data.save_as(inside / f"{index:06d}.dcm")


def _run(source: Path, inside: Path, outside: Path) -> str:
    import dcm2niix

    # No settings of the user's, no sidecar, no compression; slices as they are, stacked whatever
    # their echo or exposure (they were chosen before).
    flags = ["-g", "i", "-b", "n", "-z", "n", "-m", "1", "-x", "i", "-w", "2", "-l", "o"]
    words = [dcm2niix.bin, *flags, "-f", _NAME, "-o", str(outside), str(inside)]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=_LONGEST_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScanError(
            f"{source}: dcm2niix did not end well ({type(error).__name__}): try it on the folder "
            "by itself."
        ) from error
    return done.stdout + done.stderr


def _warnings(said: str, folder: Path) -> list[str]:
    """What the converter warns of, each once, without paths and long numbers such as dates."""
    found: dict[str, None] = {}
    for line in said.splitlines():
        kind, _, words = line.partition(":")
        if kind.strip() in ("Warning", "Error") and not any(s in words for s in _SILENCED):
            clean = _LONG_NUMBERS.sub("...", words.replace(str(folder), "").strip())
            found.setdefault(clean)
    return list(found)[:_MOST_WARNINGS]


def _is_corrected(path: Path) -> bool:
    """Whether it is the converter's own mending of tilt or uneven slices, beside what it mended."""
    return any(word in path.stem for word in ("_Tilt", "_Eq"))


def _read(path: Path, series: DicomSeries) -> Scan | None:
    """A file of the converter's, if it has the series' size."""
    try:
        scan = read_scan(path)
    except ScanError as error:
        raise ScanError(str(error).replace(str(path), series.title)) from error
    return scan if scan.image.shape == series.stack.shape else None


def _refuse_elsewhere(series: DicomSeries, scan: Scan) -> None:
    """Refuses a volume that does not lie where the slices say."""
    if farthest_from_voxels(scan.affine, scan.image.shape, series.stack) > _NEAR_VOXELS:
        raise ScanError(
            f"{series.title}: dcm2niix places this series elsewhere than its slices say "
            "(Image Position, Image Orientation): convert it yourself, look at it, and segment "
            "that file."
        )


def _in_order(scan: Scan, stack: Stack) -> AnyArray:
    """Voxels `[column, row, slice]` in the order of the stack."""
    axes: Float64Array = scan.affine[:3, :3] / np.linalg.norm(scan.affine[:3, :3], axis=0)
    ours = stack.directions.T * np.reshape([-1.0, -1.0, 1.0], (3, 1))
    flips: Sequence[int] = [1 if axes[:, n] @ ours[:, n] > 0 else -1 for n in range(3)]
    x, y, z = (slice(None, None, step) for step in flips)
    return scan.image[x, y, z]


def _told_of(shape: Shape) -> list[str]:
    """What was done about slices that are no straight volume."""
    notes = []
    if not shape.is_straight:
        notes.append(
            f"slices are tilted by {shape.tilt_deg:.1f} degrees (a tilted gantry): straightened "
            "for the network"
        )
    if not shape.is_even:
        missing = f", {shape.missing} may be missing" if shape.missing else ""
        notes.append(
            f"slices are uneven (most are {shape.step_mm:.2f} mm apart, some "
            f"{shape.widest_mm:.2f} mm{missing}): interpolated between them"
        )
    return notes
