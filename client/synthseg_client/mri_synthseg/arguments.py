"""What `mri_synthseg` is asked: FreeSurfer's flags as its parser takes them, and our own."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from synthseg_common.contract import DEFAULT_SCORED_SIZE
from synthseg_common.processor import available_cores

from synthseg_client.errors import UsageError
from synthseg_client.options import Crop, Network, Options

SERVER_VARIABLE = "SYNTHSEG_SERVER"
KEEP_VARIABLE = "SYNTHSEG_KEEP_SERVER"
"""Environment variables that stand for `--server` and `--keep-server` where a program calls us."""
_DESCRIPTION = """
Segments brain MRI and CT of any contrast and resolution with the official SynthSeg's networks.

Takes the place of FreeSurfer's mri_synthseg: same flags, files and exit codes.
"""
_NO_PHOTO = (
    "--photo is for stacks of photographs of brain slices, whose networks are not served here: "
    "use FreeSurfer's own mri_synthseg for them."
)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The values of the flags, by their names."""

    i: str | None = None
    o: str | None = None
    parc: bool = False
    robust: bool = False
    fast: bool = False
    ct: bool = False
    vol: str | None = None
    qc: str | None = None
    post: str | None = None
    resample: str | None = None
    crop: list[int] | None = None
    autocrop: bool = False
    threads: int = 1
    cpu: bool = False
    v1: bool = False
    keepgeom: bool = False
    addctab: bool = True
    noaddctab: bool = False
    photo: str | None = None
    model: str | None = None
    server: str | None = field(default_factory=lambda: os.environ.get(SERVER_VARIABLE) or None)
    keep_server: float = field(default_factory=lambda: _minutes_of_environment())
    as_original: bool = False
    qc_grid: int = DEFAULT_SCORED_SIZE

    @property
    def version(self) -> str:
        """Which SynthSeg it is, as the original's first line says it."""
        if self.robust:
            return "SynthSeg-robust 2.0"
        if self.model:
            return self.model
        return f"SynthSeg {'1.0' if self.v1 else '2.0'}{' (fast)' if self.fast else ''}"

    @property
    def cores(self) -> int:
        """How many cores a server that is started here computes on."""
        return self.threads if self.threads > 0 else available_cores()

    @property
    def model_file(self) -> Path | None:
        """Weights that take the place of the plain network's."""
        return Path(self.model) if self.model and not self.robust else None

    def options(self) -> Options:
        """How to segment.

        Raises:
            UsageError: Flags contradict each other, or a value cannot be used.
        """
        if self.photo is not None:
            raise UsageError(_NO_PHOTO)
        if self.robust and self.v1:
            raise UsageError(
                "The flag --v1 cannot be used with --robust since SynthSeg-robust only came out "
                "with 2.0."
            )
        if self.autocrop and self.crop is not None:
            raise UsageError("Argument --autocrop cannot be used with --crop.")
        return Options(
            crop=self._crop(),
            fast=self.fast or self.robust,
            ct=self.ct,
            keep_geometry=self.keepgeom,
            network=self._network(),
            parcels=self.parc,
            quality=self.qc is not None,
            scored_size=self.qc_grid,
            as_original=self.as_original,
        )

    def refuse_contradictions(self) -> None:
        """Refuses what a server that was named cannot be told.

        Raises:
            UsageError: The flags contradict each other.
        """
        if self.server and self.model_file:
            raise UsageError("--model is for a server that is started here, not for --server.")

    def _crop(self) -> Crop:
        if self.autocrop:
            return Crop.content()
        return Crop.none() if self.crop is None else Crop.of_size(self.crop)

    def _network(self) -> Network:
        if self.robust:
            return "robust"
        return "v1" if self.v1 and not self.model else "chosen"


def parse_arguments(words: Sequence[str]) -> Arguments:
    """Reads the command line.

    FreeSurfer's flags may be shortened as there, to what begins none of its others; our own are
    taken in full only, so that they make no shortened flag of FreeSurfer's ambiguous.

    Raises:
        SystemExit: 2 after a word on standard error, as there; 0 after `--help`.
        UsageError: An environment variable holds no number.
    """
    ours = argparse.ArgumentParser(
        prog="mri_synthseg",
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    _add_our_flags(ours)
    values, rest = ours.parse_known_args(words)
    known = {f.name for f in fields(Arguments)}
    theirs = vars(whole_parser().parse_args(rest))
    given = {**theirs, **vars(values)}
    return Arguments(**{name: value for name, value in given.items() if name in known})


def whole_parser() -> argparse.ArgumentParser:
    """The parser of FreeSurfer's flags, whose help tells of ours too."""
    parser = argparse.ArgumentParser(
        prog="mri_synthseg",
        description=_DESCRIPTION,
        formatter_class=_Help,
        argument_default=argparse.SUPPRESS,
    )
    _add_places(parser)
    _add_modes(parser)
    return parser


class _Help(argparse.RawDescriptionHelpFormatter):
    """Tells of our own flags after the others."""

    def format_help(self) -> str:
        ours = argparse.ArgumentParser(add_help=False, usage=argparse.SUPPRESS)
        _add_our_flags(ours)
        return f"{super().format_help()}\n{ours.format_help()}"


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--i", help="Scan to segment, folder of scans, or .txt list of them.")
    add("--o", help="Label map; a folder if --i is one, a .txt list if --i is one.")
    add("--vol", help="CSV file for the volumes of all structures and scans.")
    add("--qc", help="CSV file for the quality scores of all scans.")
    add("--post", help="Probability maps: file, folder or .txt list.")
    add("--resample", help="Scans resampled to 1 mm: file, folder or .txt list.")


def _add_modes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--parc", action="store_true", help="Divide the cortex into parcels.")
    add("--robust", action="store_true", help="For clinical scans of any quality.")
    add("--fast", action="store_true", help="Faster, a little less accurate.")
    add("--ct", action="store_true", help="Clip CT scans to 0 to 80 Hounsfield units.")
    add("--crop", nargs="+", type=int, help="Segment only the central part of this size.")
    add("--autocrop", action="store_true", help="Leave out the background around the head.")
    add("--threads", type=int, help="Cores to use, all of them if negative. [default: 1]")
    add("--cpu", action="store_true", help="Use no GPU.")
    add("--v1", action="store_true", help="SynthSeg 1.0.")
    add("--keepgeom", action="store_true", help="Label maps on the grids of the scans.")
    add("--addctab", action="store_true", help="Names and colours in label maps; the default.")
    add("--noaddctab", action="store_true", help="No names and colours in label maps.")
    add("--photo", help="Refused: not served here.")
    add("--model", help="File of weights that take the place of the plain network's.")


def _add_our_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("flags that FreeSurfer's has not").add_argument
    add("--server", metavar="HOST:PORT", help=f"Model server to ask. [env: {SERVER_VARIABLE}]")
    add(
        "--keep-server",
        metavar="MINUTES",
        type=_minutes,
        help="Leave the server that is started here running until nobody has asked it for so "
        f"long; later calls with this flag use it. [env: {KEEP_VARIABLE}]",
    )
    add("--as-original", action="store_true", help="The original's numbers where it errs.")
    add(
        "--qc-grid",
        metavar="N",
        type=int,
        help=f"Edge in voxels of the cube that --qc scores. [default: {DEFAULT_SCORED_SIZE}]",
    )


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes < float("inf"):
        raise ValueError(text)
    return minutes


def _minutes_of_environment() -> float:
    text = os.environ.get(KEEP_VARIABLE) or "0"
    try:
        return _minutes(text)
    except ValueError:
        raise UsageError(f"{KEEP_VARIABLE} is {text!r}, expected a number of minutes.") from None
