"""How to segment: the choices that change a result. Importing this loads nothing heavy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from synthseg_common.contract import DEFAULT_MIN_SIZE, SIZE_MULTIPLE
from synthseg_common.processing import DEFAULT_LIMIT
from synthseg_common.triples import Triple, triple

from synthseg_client.errors import UsageError

CT_RANGE_HU = (0.0, 80.0)
"""Intensities of a CT scan that tell brain structures apart, in Hounsfield units."""


@dataclass(frozen=True)
class Crop:
    """What part of a scan goes to the network.

    Attributes:
        size: Voxels per axis, obeyed as given and centred; None leaves the choice to `limit`.
        limit: Largest size per axis when `size` is None, placed on the head and grown where
            structures touch the cut; None never cuts.
        least: Smallest network grid per axis when `size` is None; smaller scans are padded.
    """

    size: Triple | None = None
    limit: int | None = DEFAULT_LIMIT
    least: int = DEFAULT_MIN_SIZE

    @classmethod
    def of_size(cls, sizes: Sequence[int]) -> Crop:
        """An explicit crop: one number for all axes or three, each rounded up to a multiple of 32.

        Raises:
            UsageError: Not one or three positive numbers.
        """
        if len(sizes) not in (1, 3) or any(n < 1 for n in sizes):
            raise UsageError(
                f"--crop takes one positive number, three, or 'none', got {list(sizes)}."
            )
        full = tuple(sizes) * 3 if len(sizes) == 1 else sizes
        return cls(size=triple(-(-n // SIZE_MULTIPLE) * SIZE_MULTIPLE for n in full))

    @classmethod
    def none(cls) -> Crop:
        """The whole volume, however large."""
        return cls(limit=None)

    @property
    def explicit(self) -> bool:
        """Whether the user chose the part, so that it is not ours to enlarge."""
        return self.size is not None

    @property
    def min_size(self) -> Triple:
        """Least network grid that goes with the crop."""
        return self.size or (self.least,) * 3

    def for_any_anatomy(self) -> Crop:
        """The same where there is no head to look for: all of the scan, unless the user chose."""
        return self if self.explicit else Crop(limit=None, least=SIZE_MULTIPLE)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to segment a scan.

    Attributes:
        crop: What part of it goes to the network.
        fast: No averaging with the mirrored scan, simpler clean-up: about twice as fast, a little
            less accurate.
        ct: The scan is a CT in Hounsfield units: values outside 0 to 80 are clipped.
        keep_geometry: Labels and posteriors on the scan's own grid instead of 1 mm voxels.
    """

    crop: Crop = Crop()
    fast: bool = False
    ct: bool = False
    keep_geometry: bool = False

    def to_json(self) -> dict[str, object]:
        """For sidecars and journals."""
        crop = self.crop.size if self.crop.explicit else self.crop.limit
        return {
            "crop": crop or "none",
            "fast": self.fast,
            "ct": self.ct,
            "keepgeom": self.keep_geometry,
        }

    def fingerprint(self) -> str:
        """Hex digest that changes whenever a choice does."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()
