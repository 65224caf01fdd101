"""How to segment: the choices that change a result. Importing this loads nothing heavy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from synthseg_common.contract import (
    DEFAULT_MIN_SIZE,
    DEFAULT_SCORED_SIZE,
    LARGEST_SCORED_SIZE,
    PARCELS_MODEL_NAME,
    QUALITY_MODEL_NAME,
    ROBUST_MODEL_NAME,
    SCORED_SIZE_MULTIPLE,
    SIZE_MULTIPLE,
    V1_MODEL_NAME,
)
from synthseg_common.processing import DEFAULT_LIMIT
from synthseg_common.triples import Triple, triple

from synthseg_client.errors import UsageError

CT_RANGE_HU = (0.0, 80.0)
"""Intensities of a CT scan that tell brain structures apart, in Hounsfield units."""


@dataclass(frozen=True)
class Crop:
    """Which part of a scan the network segments.

    Attributes:
        size: Voxels per axis of the central part that is segmented; None leaves the choice to
            `limit`.
        limit: Largest size per axis when `size` is None. The part is placed on the head, and
            enlarged where structures reach its border; None takes the whole scan.
        least: Smallest network grid per axis when `size` is None; smaller scans are padded.
        to_content: Whether to segment the box of all that is brighter than the scan's darkest
            values, enlarged to multiples of 32.
    """

    size: Triple | None = None
    limit: int | None = DEFAULT_LIMIT
    least: int = DEFAULT_MIN_SIZE
    to_content: bool = False

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

    @classmethod
    def content(cls) -> Crop:
        """What is brighter than the darkest values, as FreeSurfer's `--autocrop`."""
        return cls(limit=None, to_content=True)

    @property
    def explicit(self) -> bool:
        """Whether the user chose the part, so that it is not ours to enlarge."""
        return self.size is not None or self.to_content

    @property
    def min_size(self) -> Triple:
        """Least network grid that goes with the crop."""
        return self.size or (self.least,) * 3

    def for_any_anatomy(self) -> Crop:
        """The same where there is no head to look for: all of the scan, unless the user chose."""
        return self if self.explicit else Crop(limit=None, least=SIZE_MULTIPLE)


Network = Literal["chosen", "robust", "v1"]
"""Which network segments."""
_MODEL_NAMES: dict[Network, str | None] = {
    "chosen": None,
    "robust": ROBUST_MODEL_NAME,
    "v1": V1_MODEL_NAME,
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to segment a scan.

    Attributes:
        crop: Which part of it the network segments.
        fast: Whether to leave out the mirrored scan and simplify the clean-up: about twice as fast,
            a little less accurate.
        ct: Whether the scan is a CT in Hounsfield units, whose values are clipped to 0 to 80.
        keep_geometry: Whether labels and posteriors lie on the scan's own grid instead of 1 mm
            voxels.
        network: `chosen` for the model of the session, `robust` for SynthSeg-robust 2.0, which is
            meant for scans of any quality, `v1` for SynthSeg 1.0.
        parcels: Whether to divide the cortex into the parcels of Desikan et al.
        quality: Whether to predict how good the segmentation is.
        scored_size: Edge in voxels of the cube that quality is predicted from.
        as_original: Whether to reproduce the original code even where it is wrong; see the docs on
            differences.
    """

    crop: Crop = Crop()
    fast: bool = False
    ct: bool = False
    keep_geometry: bool = False
    network: Network = "chosen"
    parcels: bool = False
    quality: bool = False
    scored_size: int = DEFAULT_SCORED_SIZE
    as_original: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            UsageError: Another network than there are, or a cube that cannot be scored.
        """
        if self.network not in get_args(Network):
            raise UsageError(
                f"network is {self.network!r}, expected one of {', '.join(get_args(Network))}."
            )
        multiple = SCORED_SIZE_MULTIPLE
        if self.scored_size % multiple or not multiple <= self.scored_size <= LARGEST_SCORED_SIZE:
            raise UsageError(
                f"quality is predicted from a cube of a multiple of {multiple} voxels, "
                f"{multiple} to {LARGEST_SCORED_SIZE}, got {self.scored_size}."
            )

    @property
    def model_name(self) -> str | None:
        """Name of the model that segments; None for the session's own."""
        return _MODEL_NAMES[self.network]

    def companions(self) -> tuple[str, ...]:
        """Names of the models that are asked after the one that segments."""
        parcels = (PARCELS_MODEL_NAME,) if self.parcels else ()
        return parcels + ((QUALITY_MODEL_NAME,) if self.quality else ())

    def official_models(self) -> tuple[str, ...]:
        """Names of all models that are asked but for the session's own."""
        segmenter = (self.model_name,) if self.model_name else ()
        return segmenter + self.companions()

    @property
    def forgets_blur(self) -> bool:
        """Whether the answer is not blurred: the original's fast variant with anything beside."""
        blurs = self.fast and self.network != "robust"
        return self.as_original and blurs and bool(self.companions())

    def to_json(self) -> dict[str, object]:
        """For sidecars and journals."""
        crop = self.crop.size if self.crop.explicit else self.crop.limit
        told: dict[str, object] = {
            "crop": crop or "none",
            "fast": self.fast,
            "ct": self.ct,
            "keepgeom": self.keep_geometry,
        }
        # Only what was asked for: results of before these options were there stay valid.
        if self.crop.to_content:
            told["autocrop"] = True
        if self.network != "chosen":
            told["network"] = self.network
        if self.parcels:
            told["parc"] = True
        if self.quality:
            told["qc"] = self.scored_size
        if self.as_original:
            told["as_original"] = True
        return told

    def fingerprint(self) -> str:
        """Hex digest that changes whenever a choice does."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()
