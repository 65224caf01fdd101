"""NIfTI, MGH, NPZ and Analyze scans, read with clear errors."""

from __future__ import annotations

import gzip
import math
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.fileholders import FileHolder
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from synthseg_client.errors import ScanError
from synthseg_client.formats import format_of
from synthseg_client.geometry import voxel_sizes_mm

MIN_SLICES = 4
"""Fewest voxels per axis that can be segmented."""
NPZ_IMAGE = "vol_data"
"""Array of an NPZ scan."""
NPZ_AFFINE = "affine"
"""Its affine; without one, voxels are taken to be 1 mm in RAS order."""

_GZIP_BEST = 1100  # no gzip stream shrinks its content by more
_NO_GZIP = "Not a gzipped file"  # Python's words where something else follows
_BLOCK = 1 << 20
_SIZE_TOLERANCE = 0.01  # header and affine may differ by rounding
_MAX_OFF_GRID_MM = 0.5
# NumPy reads array headers with ast.literal_eval, which in Python 3.11 and 3.12 may fail with a
# SystemError in two threads at once (python/cpython#106905).
_NPZ_TURN = threading.Lock()


@dataclass(frozen=True)
class Scan:
    """One volume as it was read.

    Attributes:
        path: Where from.
        image: float32 `[x, y, z]` along the file's own axes, every value finite.
        affine: float64 `[4, 4]`, voxel indices to mm in RAS.
        space_code: NIfTI's code of the space that the affine leads to (1 scanner, 2 aligned, 4 MNI,
            ...).
        warnings: What was odd, and how it was dealt with.
    """

    path: Path
    image: NDArray[np.float32]
    affine: NDArray[np.float64]
    space_code: int = 1
    warnings: tuple[str, ...] = ()


def read_scan(path: Path) -> Scan:
    """Reads a scan.

    Raises:
        ScanError: The file is missing, broken, of another kind, or holds nothing that can be
            segmented; the message names the file and what to do.
    """
    _refuse_non_files(path)
    kind = format_of(path)
    if kind is None:
        raise ScanError(
            f"{path}: not a scan by its name: expected .nii, .nii.gz, .mgz, .mgh, .npz, .img."
        )
    notes: list[str] = []
    try:
        image, affine, code = _read_npz(path) if kind.name == "npz" else _read_nibabel(path, notes)
    except ScanError:
        raise
    except PermissionError as error:
        raise ScanError(f"{path}: no permission to read it.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise ScanError(
            f"{path}: broken or cut off: {_one_line(error)}. Copy or download it again."
        ) from error
    except ImageFileError as error:
        raise ScanError(
            f"{path}: its content is not what its name promises: {_one_line(error)}."
        ) from error
    except (
        OSError,
        ValueError,
        KeyError,
        OverflowError,
        MemoryError,
        HeaderDataError,
    ) as error:
        raise ScanError(f"{path}: cannot be read: {_one_line(error)}.") from error
    _refuse_affine(path, affine)
    return Scan(path, _repair_values(path, image, notes), affine, code, tuple(notes))


def check_scan(path: Path, image: NDArray, affine: NDArray) -> Scan:
    """A scan from an array in memory, checked like a file.

    Args:
        path: What to call it in messages.
        image: Numbers `[x, y, z]`.
        affine: `[4, 4]`, voxel indices to mm in RAS.

    Raises:
        ScanError: It is nothing that can be segmented.
    """
    _refuse_type(path, image.dtype)
    if image.ndim != 3:
        raise ScanError(f"{path}: has shape {image.shape}, expected three dimensions.")
    _refuse_shape(path, image.shape)
    if affine.shape != (4, 4):
        raise ScanError(f"{path}: affine has shape {affine.shape}, expected (4, 4).")
    _refuse_affine(path, affine)
    notes: list[str] = []
    values = _repair_values(path, image.astype(np.float32), notes)
    return Scan(path, values, np.array(affine, np.float64), 1, tuple(notes))


def _refuse_non_files(path: Path) -> None:
    try:
        if path.is_dir():
            raise ScanError(f"{path}: is a folder, expected a file.")
        if not path.exists():
            raise ScanError(f"{path}: no such file: check the name and its ending.")
        if path.stat().st_size == 0:
            raise ScanError(f"{path}: is empty.")
        path.open("rb").close()
    except PermissionError as error:
        raise ScanError(f"{path}: no permission to read it.") from error
    except OSError as error:
        raise ScanError(f"{path}: cannot be opened: {error.strerror}.") from error


def _read_npz(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64], int]:
    with _NPZ_TURN:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ScanError(f"{path}: is a single array, no archive: write it with numpy.savez.")
        with loaded as arrays:
            if NPZ_IMAGE not in arrays:
                raise ScanError(f"{path}: holds {arrays.files}, expected an array {NPZ_IMAGE!r}.")
            image = arrays[NPZ_IMAGE]
            affine = np.array(arrays[NPZ_AFFINE], np.float64) if NPZ_AFFINE in arrays else np.eye(4)
    if affine.shape != (4, 4):
        raise ScanError(f"{path}: affine has shape {affine.shape}, expected (4, 4).")
    _refuse_type(path, image.dtype)
    shape = _refuse_shape(path, image.shape)
    if math.prod(image.shape) != math.prod(shape):
        raise ScanError(
            f"{path}: holds several volumes {image.shape}, expected one: keep one and try again."
        )
    return image.reshape(shape).astype(np.float32), affine, 1


def _read_nibabel(
    path: Path, notes: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float64], int]:
    """Image, affine and space code of a file that nibabel reads; notes what was odd."""
    with _loaded(path) as loaded:
        _refuse_type(path, loaded.get_data_dtype())
        shape = _refuse_shape(path, loaded.shape)
        _refuse_missing_data(path, loaded)
        code = 1
        if isinstance(loaded, nib.Nifti1Pair):
            code = _check_nifti(path, loaded, notes)
        elif isinstance(loaded, nib.AnalyzeImage):
            notes.append(
                "Analyze files do not say how the head lies: left and right may be swapped"
            )
        affine = np.array(loaded.affine, np.float64)
        _check_header_sizes(loaded, affine, notes)
        extra = len(loaded.shape) - 3
        if math.prod(loaded.shape[3:]) > 1:
            notes.append(f"holds {math.prod(loaded.shape[3:])} volumes: used the first")
        image = np.asarray(loaded.dataobj[(..., *(0,) * extra)] if extra else loaded.dataobj)
        return image.reshape(shape).astype(np.float32), affine, code


@contextmanager
def _loaded(path: Path) -> Iterator[Any]:
    """An image whose values are still on disk. Oddities of its header are told later, once.

    Files are opened here because nibabel stops at the last voxel, before gzip's checksum, and
    leaves MGH files open.
    """
    with LoggingOutputSuppressor():
        kind = format_of(path)
        image_type: Any
        if kind is not None and kind.name == "mgh":
            image_type, files = nib.MGHImage, {"image": FileHolder(str(path))}
        else:
            first = nib.load(path)
            image_type, files = type(first), first.file_map
            if not any(_is_compressed(file.filename) for file in files.values()):
                yield first
                return
        with ExitStack() as stack:
            streams = {
                part: stack.enter_context(ImageOpener(file.filename))
                for part, file in files.items()
                if Path(file.filename).exists()  # SPM's matrix need not
            }
            held = {
                part: FileHolder(file.filename, streams.get(part)) for part, file in files.items()
            }
            # Mapping into memory, which nibabel tries first, would decompress it all once more.
            yield image_type.from_file_map(held, mmap=False)
            for stream in streams.values():
                _read_on(stream)


def _is_compressed(name: str | Path) -> bool:
    return str(name).lower().endswith((".gz", ".mgz", ".bz2"))


# The generator, which this package does not share code with, has the same in `image_files`.
def _read_on(stream: ImageOpener) -> None:
    """Reads to the end, where gzip finds out whether all that came before is as it was written."""
    try:
        while stream.read(_BLOCK):
            pass
    except gzip.BadGzipFile as error:
        if _NO_GZIP not in str(error):
            raise
        # The volume was whole; what follows it gzip itself passes over.


def _refuse_type(path: Path, dtype: np.dtype) -> None:
    if dtype.fields is not None:
        raise ScanError(f"{path}: is a colour (RGB) image, expected one intensity per voxel.")
    if dtype.kind == "c":
        raise ScanError(
            f"{path}: holds complex numbers, expected one intensity per voxel: take the magnitude."
        )
    if dtype.kind not in "biuf":
        raise ScanError(f"{path}: holds {dtype}, expected numbers.")


def _refuse_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The first three axes, if they are a volume."""
    if len(shape) < 3 or 1 in shape[:3]:
        raise ScanError(
            f"{path}: is a {'x'.join(map(str, shape))} image, expected three dimensions."
        )
    if min(shape[:3]) < MIN_SLICES:
        raise ScanError(
            f"{path}: has only {min(shape[:3])} slices ({'x'.join(map(str, shape[:3]))} voxels), "
            f"expected at least {MIN_SLICES}."
        )
    return tuple(int(n) for n in shape[:3])  # type: ignore[return-value]


def _refuse_missing_data(path: Path, loaded: Any) -> None:
    """Refuses a header that promises more than the file holds, before memory is taken."""
    data_file = loaded.file_map.get("image")
    stored = Path(data_file.filename if data_file and data_file.filename else path)
    promised = math.prod(int(n) for n in loaded.shape) * loaded.get_data_dtype().itemsize
    held = stored.stat().st_size * (_GZIP_BEST if _is_compressed(stored) else 1)
    if promised > held:
        raise ScanError(
            f"{path}: its header promises {'x'.join(map(str, loaded.shape))} voxels, "
            f"but {stored.stat().st_size} bytes cannot hold them: cut off, or a wrong header."
        )


def _check_nifti(path: Path, loaded: Any, notes: list[str]) -> int:
    """The space code of a NIfTI header; refuses or notes what contradicts itself."""
    header = loaded.header
    sform, sform_code = header.get_sform(coded=True)
    qform, qform_code = _qform(header)
    raw = _raw_header(path, loaded)["pixdim"][1:4]
    if not (np.all(np.isfinite(raw)) and np.all(raw > 0)):
        sizes = ", ".join(f"{v:g}" for v in raw)
        if not sform_code:
            raise ScanError(
                f"{path}: voxel size {sizes} mm is impossible, and there is no sform: mend it."
            )
        notes.append(f"voxel size {sizes} mm in the header is impossible: took it from the sform")
    elif sform_code and qform_code and qform is not None and _differ(sform, qform, loaded.shape):
        notes.append("sform and qform disagree about where the head lies: used the sform")
    if not sform_code and not qform_code:
        notes.append(
            "neither sform nor qform says how the head lies: assumed nibabel's usual order"
        )
    return int(sform_code or qform_code or 2)


def _qform(header: Any) -> tuple[NDArray | None, int]:
    try:
        qform, code = header.get_qform(coded=True)
    except (ValueError, HeaderDataError, np.linalg.LinAlgError):
        return None, 0
    return qform, int(code)


def _raw_header(path: Path, loaded: Any) -> Any:
    """The header as it stands in the file: nibabel mends impossible voxel sizes in silence."""
    header_file = loaded.file_map.get("header") or loaded.file_map["image"]
    with ImageOpener(header_file.filename or path) as stream:
        return type(loaded.header).from_fileobj(stream, check=False)


def _differ(one: NDArray, other: NDArray, shape: tuple[int, ...]) -> bool:
    """Whether two affines put a corner of the volume more than half a millimetre apart."""
    corners = np.array(
        [[i, j, k, 1] for i in (0, shape[0]) for j in (0, shape[1]) for k in (0, shape[2])]
    ).T
    return bool(np.abs((one - other) @ corners).max() > _MAX_OFF_GRID_MM)


def _check_header_sizes(loaded: Any, affine: NDArray, notes: list[str]) -> None:
    told = np.array(loaded.header.get_zooms()[:3], np.float64)
    used = voxel_sizes_mm(affine)
    if (
        np.all(told > 0)
        and np.all(np.isfinite(used))
        and not np.allclose(told, used, rtol=_SIZE_TOLERANCE)
    ):
        a, b = (" x ".join(f"{v:.3g}" for v in sizes) for sizes in (told, used))
        notes.append(f"the header says {a} mm voxels, the affine {b} mm: used the affine")


def _refuse_affine(path: Path, affine: NDArray) -> None:
    if not np.all(np.isfinite(affine)):
        raise ScanError(f"{path}: its affine holds numbers that are not finite: mend the header.")
    sizes = voxel_sizes_mm(affine)
    if sizes.min() <= 1e-3 or abs(np.linalg.det(affine[:3, :3] / sizes)) < 1e-3:
        raise ScanError(
            f"{path}: its affine is singular (voxels without a volume): mend the header."
        )
    if sizes.max() > 100:
        raise ScanError(
            f"{path}: voxels of {sizes.max():.0f} mm cannot be right, expected millimetres."
        )


def _repair_values(path: Path, image: NDArray[np.float32], notes: list[str]) -> NDArray[np.float32]:
    """Replaces what is not finite by 0; refuses what has no contrast."""
    finite = np.isfinite(image)
    broken = image.size - int(np.count_nonzero(finite))
    if broken == image.size:
        raise ScanError(f"{path}: holds no finite value.")
    if broken:
        image = np.where(finite, image, np.float32(0))
        notes.append(
            f"{broken} voxels ({100 * broken / image.size:.2g} %) are NaN or infinite: set to 0"
        )
    if image.min() == image.max():
        raise ScanError(f"{path}: every voxel has the value {image.flat[0]:g}: nothing to segment.")
    return image


def _one_line(error: BaseException) -> str:
    """What it says, without the full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
