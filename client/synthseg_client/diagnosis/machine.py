"""What the machine has: processor, cores, memory, room on its disks."""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path

from synthseg_common.memory import free_bytes, memory_limit
from synthseg_common.processor import Processor, available_cores, read_processor

from synthseg_client.diagnosis.finding import Finding, Problem

_GIB = 2**30
# By which convolutions get faster.
_FEATURES = {"AVX2": "avx2", "AVX512": "avx512f", "VNNI": "avx512_vnni", "AMX": "amx_tile"}
_X86 = ("x86_64", "AMD64", "i686")
# The client alone, for a scan of 256 voxels a side.
_LEAST_FREE_BYTES = 1 * _GIB
# Room for the shipped model, made servable at the first start, and for a socket's folder.
_LEAST_TEMPORARY_BYTES = _GIB // 2
# Room for the results of a few scans.
_LEAST_ROOM_BYTES = _GIB // 10


def look_at_processor(processor: Processor | None = None, *, serves: bool) -> Finding:
    """What the processor can do, and how many of its cores may be used.

    Args:
        processor: As read; None reads it.
        serves: Whether a server is to be started on it.
    """
    found = processor or read_processor()
    facts: dict[str, object] = {"model": found.model or "unknown", "cores": available_cores()}
    facts |= {name: flag in found.features for name, flag in _FEATURES.items()}
    lacks_avx = platform.machine() in _X86 and found.features and "avx" not in found.features
    if not (serves and lacks_avx):
        return Finding(facts)
    what = "the processor lacks AVX, without which TensorFlow does not start"
    return Finding(facts, (Problem(what, "name a server on another machine with --server"),))


def look_at_memory(needed_bytes: int | None = None) -> Finding:
    """How much memory this process may use, and how much of it is free.

    Args:
        needed_bytes: What a server that is started here takes for a scan; None if there is none.
    """
    limit, free = memory_limit(), free_bytes()
    facts: dict[str, object] = {
        "limit_gib": _in_gib(limit.size_bytes) if limit else "unknown",
        "is_limited_below_the_machine": bool(limit and limit.is_of_a_group),
        "free_gib": "unknown" if free is None else _in_gib(free),
    }
    if needed_bytes is not None:
        facts["a_scan_of_192_voxels_takes_gib"] = _in_gib(needed_bytes)
    needed = max(_LEAST_FREE_BYTES, needed_bytes or 0)
    if free is None or free >= needed:
        return Finding(facts)
    return Finding(
        facts,
        (
            Problem(
                f"only {_in_gib(free)} GiB of memory are free, where {_in_gib(needed)} are needed",
                "end other programs, ask the scheduler for more, or use a smaller --crop",
            ),
        ),
    )


def look_at_disks(*, serves: bool) -> Finding:
    """How much room there is for temporary files and for results here.

    Args:
        serves: Whether a server is to be started here, which needs some.
    """
    temporary, here = _free_at(Path(tempfile.gettempdir())), _free_at(Path())
    facts: dict[str, object] = {
        "temporary_folder_free_gib": _in_gib(temporary),
        "current_folder_free_gib": _in_gib(here),
    }
    problems = []
    if serves and temporary < _LEAST_TEMPORARY_BYTES:
        problems.append(
            Problem(
                f"the temporary folder has only {_in_gib(temporary)} GiB left",
                "make room there, or set TMPDIR to a folder with 0.5 GiB or more",
            )
        )
    if here < _LEAST_ROOM_BYTES:
        problems.append(
            Problem(
                f"the current folder has only {_in_gib(here)} GiB left",
                "make room, or have the results written elsewhere (--o)",
            )
        )
    return Finding(facts, tuple(problems))


def _free_at(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _in_gib(size_bytes: int) -> float:
    return round(size_bytes / _GIB, 2)
