"""What the parts' tests share: the data folder, and a head of nested ellipsoids made in code."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# Before anything imports TensorFlow: it reads both once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# No command run in this process may choose other instructions for the processes after it:
# results are compared to the bit between them.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "DEFAULT")

import numpy as np
import pytest

# What a shell may have set for its own work.
for _name in ("SYNTHSEG_SERVER", "SYNTHSEG_TOKEN", "TF_CONFIG"):
    os.environ.pop(_name, None)
# What a shell runs in its background is deaf to Ctrl-C, and so is all it starts: tests are not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# A unix socket's path has at most 107 bytes, of which tests take some 60.
if len(tempfile.gettempdir()) > 40:
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA_VARIABLE = "SYNTHSEG_SHARED_DATA"

# Left and right label, centre and half axes as fractions of the volume, axes right, anterior,
# superior; later rows lie on top. Sided structures are given for the left (centre below 0.5).
_Ellipsoid = tuple[tuple[int, int], tuple[float, float, float], tuple[float, float, float]]
_HEAD: tuple[_Ellipsoid, ...] = (
    ((516, 516), (0.50, 0.50, 0.50), (0.46, 0.48, 0.48)),
    ((24, 24), (0.50, 0.52, 0.54), (0.38, 0.42, 0.38)),
    ((3, 42), (0.31, 0.52, 0.56), (0.185, 0.38, 0.32)),
    ((2, 41), (0.34, 0.52, 0.56), (0.14, 0.30, 0.25)),
    ((4, 43), (0.43, 0.54, 0.60), (0.05, 0.14, 0.07)),
    ((10, 49), (0.42, 0.48, 0.48), (0.05, 0.08, 0.06)),
    ((12, 51), (0.33, 0.58, 0.48), (0.04, 0.09, 0.06)),
    ((17, 53), (0.30, 0.44, 0.38), (0.04, 0.09, 0.04)),
    ((8, 47), (0.37, 0.26, 0.28), (0.125, 0.13, 0.11)),
    ((7, 46), (0.38, 0.26, 0.28), (0.07, 0.07, 0.05)),
    ((16, 16), (0.50, 0.40, 0.28), (0.07, 0.07, 0.16)),
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real label maps, scans and recorded outputs; without it the test is skipped.

    It is `../shared/data` beside the repository, or what SYNTHSEG_SHARED_DATA says.
    """
    folder = Path(os.environ.get(SHARED_DATA_VARIABLE, REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"no shared data: {folder} is missing ({SHARED_DATA_VARIABLE} names another folder)"
        )
    return folder


@pytest.fixture(autouse=True, scope="session")
def _commands_can_be_interrupted() -> None:
    """What tests start ends at SIGINT, also where a shell runs them in the background.

    Such a shell has SIGINT ignored, and so have the children of who ignores it. To change that in
    the child alone, Python code would run between fork and exec, where gRPC's threads are missing.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _signals_of_the_tests_own() -> Iterator[None]:
    """A command that runs in this process leaves its own handlers behind, and no way to end it."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        if handler is not None:  # else it was not Python that chose it
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def make_head() -> Callable[..., np.ndarray]:
    """A function that makes a head of nested ellipsoids, see `head_labels`."""
    return head_labels


def head_labels(
    shape: tuple[int, int, int] = (48, 56, 52),
    *,
    size: float = 1.0,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """A head of nested ellipsoids with labels of `synthseg_common.labels.GENERATION_V2`.

    Left is low x, so left and right, front and back, top and bottom can all be told apart.

    Args:
        shape: Voxels along right, anterior, superior.
        size: Factor on all half axes; 1 nearly fills the volume.
        shift: Displacement as a fraction of the volume.

    Returns:
        int32 `shape`, label values, 0 outside the head.
    """
    grid = np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij")
    labels = np.zeros(shape, np.int32)
    for (left, right), centre, half_axes in _HEAD:
        mirrored = (1 - centre[0], *centre[1:])
        sides = [(left, centre)] if left == right else [(left, centre), (right, mirrored)]
        for value, middle in sides:
            moved = [0.5 + (m - 0.5) * size + s for m, s in zip(middle, shift, strict=True)]
            terms = zip(grid, moved, half_axes, strict=True)
            labels[sum(((g - m) / (a * size)) ** 2 for g, m, a in terms) <= 1] = value
    return labels
