"""Types of what the fixtures of the generator's tests give."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MakeHead = Callable[..., NDArray[np.int32]]
"""Makes a head of nested ellipsoids: `head_labels` of `tests/conftest.py`."""
WriteMap = Callable[..., Path]
"""Writes a label map: `save_map` of `tests/generator/conftest.py`."""
ReadLayer = Callable[[str], dict[str, NDArray[Any]]]
"""Reads what a layer of the official code was given and gave back, by its name."""
Scheduler = tuple["subprocess.Popen[bytes]", str]
"""A Dask scheduler with a worker, to be killed: its process and its address."""
OpenScheduler = Callable[..., AbstractContextManager[Scheduler]]
"""Starts one, with variables of its environment."""
