"""One volume of one DICOM series, as a scan of a batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthseg_client.dicom.archive import Reader
from synthseg_client.errors import OutputError

if TYPE_CHECKING:
    from synthseg_client.dicom.stacks import Stack


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """One volume of one series.

    Attributes:
        source: Folder, zip or file that was given.
        name: What results are called: the source's name, with the number of the series where the
            source has several.
        title: What messages call it.
        stack: Its slices.
        notes: Why it was taken, and what was left out.
    """

    source: Path
    name: str
    title: str
    stack: Stack
    notes: tuple[str, ...] = ()

    @property
    def named_path(self) -> Path:
        """Where a scan of its name would lie beside the source."""
        return self.source.parent / self.name

    @property
    def modality(self) -> str:
        """`MR` or `CT`."""
        return self.stack.header.modality

    @property
    def number(self) -> int | None:
        """As the scanner counted; None if it is not said."""
        return self.stack.header.series_number

    def digest(self) -> str:
        """SHA-256 over the content of its files.

        Raises:
            OutputError: A file went away.
        """
        try:
            with Reader() as reader:
                digests = [reader.digest(header.packed) for header in self.stack.headers]
        except OSError as error:
            raise OutputError(f"{self.source}: went away while it was read: {error}.") from error
        return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


@dataclass(frozen=True)
class UnusableSource:
    """A DICOM source of many that has nothing to segment.

    Attributes:
        source: Folder, zip or file.
        reason: Why, in one line.
    """

    source: Path
    reason: str
