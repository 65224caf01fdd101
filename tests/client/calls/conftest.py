"""Fixtures of calls: a server that dies and comes back, and scans for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contract_server import ContractServer, Mortal


@pytest.fixture
def server(model: ContractServer, tmp_path: Path) -> Iterator[Mortal]:
    """A server that lives until a test ends it."""
    with Mortal(model, tmp_path) as running:
        yield running


@pytest.fixture
def scans(tmp_path: Path, save_scan: Callable[..., Path]) -> Path:
    """A folder with four scans."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for index in range(4):
        save_scan(folder / f"s{index}.nii", seed=index)
    return folder
