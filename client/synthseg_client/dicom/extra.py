"""The libraries that only DICOM needs, which the base installation does not bring."""

from __future__ import annotations

from importlib.util import find_spec

from synthseg_client.errors import UsageError

_MODULES = ("pydicom", "highdicom", "dcm2niix")


def require_dicom(what: str) -> None:
    """Makes sure that the libraries are there.

    Args:
        what: What they are needed for, as messages begin.

    Raises:
        UsageError: One is missing; the message says how to install it.
    """
    missing = [name for name in _MODULES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{what}: DICOM needs {', '.join(missing)}: "
            "pip install 'synthseg-serving[dicom]' brings it."
        )
