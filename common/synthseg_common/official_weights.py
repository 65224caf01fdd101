"""Where the weights that the original's authors released lie. Imports nothing heavy.

FreeSurfer 7.3 and later bring them; `synthseg-serving import-weights` makes served models of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from synthseg_common import contract
from synthseg_common.errors import WRONG_USE, SynthSegError

MODELS_VARIABLE = "SYNTHSEG_MODELS"
"""Environment variable that names a folder of weights, or of served models made of them."""
FREESURFER_VARIABLE = "FREESURFER_HOME"
MODELS_CONFIG = "models.config"
"""Name of the file that lists the served models of a folder, as TF Serving reads it."""

FILES: Mapping[str, str] = {
    contract.MODEL_NAME: "synthseg_2.0.h5",
    contract.ROBUST_MODEL_NAME: "synthseg_robust_2.0.h5",
    contract.PARCELS_MODEL_NAME: "synthseg_parc_2.0.h5",
    contract.QUALITY_MODEL_NAME: "synthseg_qc_2.0.h5",
    contract.V1_MODEL_NAME: "synthseg_1.0.h5",
}
"""Name of the released file by the name under which its network is served."""
NOT_SERVED = ("synthseg_photo_both_1.0.h5", "synthseg_photo_single_1.0.h5")
"""Released files of networks for photographs of slices, which are left alone."""
WEIGHTS_ENDING = ".h5"
_SAVED_MODEL = "saved_model.pb"


class OfficialWeightsError(SynthSegError, ValueError):
    """The released weights are not to be found, or not all that are needed."""

    exit_code = WRONG_USE


def find_official() -> Path:
    """The folder of the released weights: `$SYNTHSEG_MODELS`, else `$FREESURFER_HOME/models`.

    Raises:
        OfficialWeightsError: There is none; the message says how to get one.
    """
    if named := os.environ.get(MODELS_VARIABLE):
        folder, source = Path(named), MODELS_VARIABLE
    elif home := os.environ.get(FREESURFER_VARIABLE):
        folder, source = Path(home) / "models", FREESURFER_VARIABLE
    else:
        raise _not_found(f"neither {MODELS_VARIABLE} nor {FREESURFER_VARIABLE} is set")
    if not folder.is_dir():
        raise _not_found(f"{folder} is no folder, as {source} has it")
    return folder


def has_model(folder: Path, served_name: str) -> bool:
    """Whether a folder holds the weights of a network, or a served model made of them.

    Args:
        folder: As `find_official` answers it.
        served_name: One of `FILES`.
    """
    if not (folder / MODELS_CONFIG).is_file():
        return (folder / FILES[served_name]).is_file()
    try:
        versions = [p for p in (folder / served_name).iterdir() if p.name.isdecimal()]
    except OSError:
        return False
    return any((version / _SAVED_MODEL).is_file() for version in versions)


def refuse_missing(folder: Path, served_names: Iterable[str]) -> None:
    """Refuses a folder that lacks one of the networks.

    Args:
        folder: As `find_official` answers it.
        served_names: What is needed, of `FILES`.

    Raises:
        OfficialWeightsError: One is missing; the message names its file.
    """
    missing = [name for name in served_names if not has_model(folder, name)]
    if not missing:
        return
    files = " and ".join(FILES[name] for name in missing)
    if (folder / MODELS_CONFIG).is_file():
        raise OfficialWeightsError(
            f"{folder} holds no {' and no '.join(missing)}.\n"
            f"Add what {files} holds: synthseg-serving import-weights FOLDER {folder}."
        )
    raise OfficialWeightsError(f"{folder} lacks {files}.\n{_HOW}")


_HOW = (
    "Source the set-up of FreeSurfer 7.3 or later, or set "
    f"{MODELS_VARIABLE} to a folder that holds {FILES[contract.MODEL_NAME]} and the others, or "
    "that `synthseg-serving import-weights` wrote."
)


def _not_found(why: str) -> OfficialWeightsError:
    return OfficialWeightsError(f"the official SynthSeg's weights were not found: {why}.\n{_HOW}")
