"""A run as `segment` leaves it, and its report."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_runs import write_run
from synthseg_client.report.leftovers import find_run
from synthseg_client.report.making import make_report


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of results of a run of 12 scans."""
    return write_run(tmp_path)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first page of a run with hostile names; large enough to be compared and paged."""
    folder = tmp_path_factory.mktemp("run")
    hostile = "<img src=x onerror=alert(1)>&\"'{{{{ 7*7 }}}} {}"
    out = write_run(folder, 53, name=hostile)
    return make_report(find_run(out), folder / "report", jobs=1)
