"""Series that were segmented by the small server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dicom_files import Made, write_series
from synthseg_client.calls.session import Session
from synthseg_client.dicom.choice import find_series
from synthseg_client.dicom.conversion import read_series
from synthseg_client.dicom.origin import Origin
from synthseg_client.options import Options
from synthseg_client.segmentation.one_scan import segment_scan


@pytest.fixture
def segmented(tmp_path: Path, session: Session) -> Callable[..., Origin]:
    """A function that makes a series and segments it."""

    def segment(
        made: Made | None = None,
        *,
        write: Callable[..., object] = write_series,
        options: Options | None = None,
    ) -> Origin:
        source = tmp_path / "source"
        write(source, made)
        (series,) = find_series(source)
        result = segment_scan(read_series(series), session, options or Options())
        return Origin(series, result)

    return segment
