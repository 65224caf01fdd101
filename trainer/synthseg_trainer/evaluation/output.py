"""Where results go: looked at before anything is measured, so that nothing is measured in vain."""

from __future__ import annotations

from pathlib import Path

from synthseg_common.errors import reason_of
from synthseg_common.files import probe_folder

from synthseg_trainer.errors import TrainerError


class OutputError(TrainerError, ValueError):
    """Results cannot be written where they should go."""


def prepare_folder(folder: Path) -> None:
    """Makes a folder, and sees that files can be written to it.

    Raises:
        OutputError: They cannot.
    """
    try:
        probe_folder(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written to: {reason_of(error)}. Name another place with --o."
        ) from error
