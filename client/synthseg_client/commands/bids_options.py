"""Options of `bids` that `segment` has not: those of BIDS Apps, and what is made; light to load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from synthseg_common.option_groups import option

LEVELS = ("participant", "group")
PARTICIPANT_FLAGS = ("--participant-label", "--participant_label")
SESSION_FLAGS = ("--session-label", "--session_label", "--session-id")
_PATH = click.Path(path_type=Path)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Which scans of a dataset, and what is made of them beside labels and volumes."""

    participants: tuple[str, ...] = option(
        *PARTICIPANT_FLAGS,
        multiple=True,
        metavar="LABEL...",
        help="Participants, with or without sub-; after BIDS_DIR OUT_DIR LEVEL. [default: all]",
    )
    sessions: tuple[str, ...] = option(
        *SESSION_FLAGS,
        multiple=True,
        metavar="LABEL...",
        help="Sessions, with or without ses-. [default: all]",
    )
    suffixes: tuple[str, ...] = option(
        "--suffix",
        multiple=True,
        metavar="SUFFIX...",
        help="Kinds of images. [default: T1w T2w FLAIR PDw T2starw UNIT1 inplaneT1 inplaneT2]",
    )
    filter_file: Path | None = option(
        "--bids-filter-file",
        type=_PATH,
        help='JSON file of filters, as fMRIPrep takes it: {"t1w": {"acquisition": "mprage"}}.',
    )
    skip_validation: bool = option(
        "--skip-bids-validation",
        is_flag=True,
        help="Do not look the dataset over first, with bids-validator-deno where it is installed.",
    )
    work_dir: Path | None = option(
        "-w", "--work-dir", type=_PATH, help="Taken as BIDS Apps do; nothing is kept there."
    )
    probabilities: bool = option(
        "--probseg", "--post", is_flag=True, help="Probability maps too, on each scan's own grid."
    )
    resampled: bool = option(
        "--resample", is_flag=True, help="Scans at 1 mm too; those at 1 mm are not copied."
    )
    quality: bool = option(
        "--qc", is_flag=True, help="Quality scores too; needs the official weights."
    )
