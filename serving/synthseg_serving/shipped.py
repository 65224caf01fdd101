"""The models that ship with the package, exported once per machine into the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from synthseg_common.contract import MODEL_NAME

from synthseg_serving.errors import ExportError, ModelError
from synthseg_serving.versions import FORMAT_VERSION

WEIGHTS = Path(__file__).parent / "weights" / "synthseg.npz"
SMALL_WEIGHTS = WEIGHTS.with_name("synthseg_small.npz")
"""Of a network of half the features, for those who have many scans or little time."""
PREPARED = Path(sys.prefix) / "share" / "synthseg" / "models"
"""Exports that lie in the installation, as in a container image, whose users have no cache."""
_KEY_DIGITS = 16


def shipped_model_dir(weights: Path = WEIGHTS, cache: Path | None = None) -> Path:
    """Base path of a shipped model, exported if it is not there yet.

    Args:
        weights: The bundle.
        cache: Folder for exports; by default what was prepared in the installation, else the user's
            cache.

    Raises:
        ModelError: The package holds no weights.
        ExportError: They cannot be exported.
    """
    if not weights.is_file():
        raise ModelError(
            f"this installation holds no weights ({weights}); give a MODEL_DIR, which "
            "`synthseg-serving export` or `import-weights` writes."
        )
    from synthseg_serving.export import export_bundle
    from synthseg_serving.sources import read_source

    digest = hashlib.sha256(f"export format {FORMAT_VERSION}\n".encode() + weights.read_bytes())
    key = digest.hexdigest()[:_KEY_DIGITS]
    if cache is None and (PREPARED / key / MODEL_NAME / "1").is_dir():
        return PREPARED / key / MODEL_NAME
    folder = (cache or user_cache()) / key
    model_dir = folder / MODEL_NAME
    try:
        if (model_dir / "1").is_dir():
            return model_dir
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".export-"))
        try:
            export_bundle(read_source(weights), temporary / MODEL_NAME, version=1)
            _publish(temporary / MODEL_NAME, model_dir)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, ExportError) as error:
        raise ExportError(
            f"{folder}: the shipped model cannot be prepared there: {str(error).rstrip('.')}. "
            "Make room, or name another folder in XDG_CACHE_HOME."
        ) from error
    return model_dir


def user_cache() -> Path:
    """Folder of exported models: `$XDG_CACHE_HOME/synthseg/models`, or in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "synthseg" / "models"


def _publish(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        # Another process was faster; its export is the same.
        if not (target / "1").is_dir():
            raise
